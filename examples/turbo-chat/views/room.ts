// A room: its messages, the form that adds to them, and the element that keeps them live.
import { html, turboStreamChannel } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import type { Message } from '../messages.ts'
import { composerView } from './composer.ts'
import type { Draft } from './composer.ts'
import { layout } from './layout.ts'
import { messageView } from './message.ts'
import { sidebar } from './sidebar.ts'
import type { Sidebar } from './sidebar.ts'

export interface RoomPage extends Sidebar {
  readonly messages: readonly Message[]
  /** Where in its streams the page stands. */
  readonly since: string | null
  readonly draft?: Draft | undefined
}

export function roomPage ({ user, rooms, room, messages, since, draft }: RoomPage): Html {
  return layout({
    title: room.name,
    page: 'house',
    body: html`
    ${sidebar({ user, rooms, room })}
    <main class="room">
      ${turboStreamChannel('RoomChannel', { room_id: room.id }, { since, gap: 'refresh' })}
      <header class="room-header">
        <div class="room-title">
          <h1>${room.name}</h1>
          <p>${room.topic}</p>
        </div>
        <p class="status"><span class="on">Live</span><span class="off">Connecting…</span></p>
      </header>
      <div class="log" role="log" aria-label="Messages" tabindex="0">
        <div class="messages" id="messages">
          ${messages.map(messageView)}
        </div>
      </div>
      ${composerView(room, draft)}
      <noscript><p class="note">Without JavaScript, new messages appear when you <a href="/rooms/${room.id}">look again</a>.</p></noscript>
    </main>`
  })
}
