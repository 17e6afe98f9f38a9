// A room: its history, and the form that adds to it. public/chat.js brings it to life; without it, it is a page with a form.
import { maxLength, pageSize } from '../messages.ts'
import type { Message } from '../messages.ts'
import type { Room } from '../rooms.ts'
import { avatar } from './avatar.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { layout } from './layout.ts'
import { messageView } from './message.ts'
import { lock, sidebar } from './sidebar.ts'
import type { Sidebar } from './sidebar.ts'

export interface RoomPage extends Sidebar {
  readonly room: Room
  readonly members: readonly string[]
  readonly messages: readonly Message[]
  /** Why the draft could not be said. */
  readonly problem?: 'empty' | 'too_long'
  readonly draft?: string
}

const problems = {
  empty: 'There is nothing to send yet.',
  too_long: `This is too long: a message has at most ${maxLength.toLocaleString('en')} characters.`
}

export function roomPage ({ user, room, rooms, since, members, messages, problem, draft = '' }: RoomPage): Html {
  return layout({
    title: room.name,
    page: 'chat in-room',
    script: '/chat.js',
    body: html`
    <a class="skip" href="#message">To the message field</a>
    ${sidebar({ user, rooms, since, room })}
    <main class="room" data-room="${room.id}" data-me="${user.login}">
      <header class="room-header">
        <a class="back" href="/rooms" aria-label="All rooms"><svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M12.5 4 6.5 10l6 6"/></svg></a>
        <div class="room-title">
          <h1>${room.name}${room.isPrivate && lock}</h1>
          <p>${room.topic}</p>
        </div>
        <p class="status" id="status" role="status" hidden><span></span></p>
        <ul class="members" aria-label="Members">
          ${members.map(login => html`<li title="${login}">${avatar(login)}<span class="unseen">${login}</span></li>`)}
        </ul>
      </header>
      <div class="log" role="log" aria-label="Messages" tabindex="0">
        <div>
          ${messages.length < pageSize && html`<p class="beginning">This is where <b>${room.name}</b> begins.</p>`}
          <ol id="messages">
            ${messages.map((message, index) => messageView(message, { me: user.login, previous: messages[index - 1] }))}
          </ol>
        </div>
      </div>
      <button class="newer" id="newer" type="button" hidden>New messages</button>
      <p class="typing" id="typing"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span id="typing-text"></span></p>
      <form class="composer" id="composer" method="post" action="/rooms/${room.id}/messages">
        <label class="unseen" for="message">Message to ${room.name}</label>
        <textarea id="message" name="message" rows="1" placeholder="Write a message" aria-describedby="problem" autocomplete="off">${draft}</textarea>
        <button class="primary" aria-label="Send"><svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M10 16V4M4.5 9.5 10 4l5.5 5.5"/></svg></button>
        <p class="problem" id="problem" role="alert">${problem && problems[problem]}</p>
        <output class="count" id="count" for="message" hidden></output>
      </form>
      <noscript><p class="note">Without JavaScript new messages do not appear by themselves. <a href="/rooms/${room.id}">Look again</a></p></noscript>
      <template id="message-template">${messageView()}</template>
    </main>`
  })
}
