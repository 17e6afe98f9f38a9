// The side of every room: all rooms with what was said last, and who is looking.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import type { ListedRoom, Room } from '../rooms.ts'
import type { User } from '../users.ts'
import { avatar } from './avatar.ts'

export interface Sidebar {
  readonly user: User
  readonly rooms: readonly ListedRoom[]
  /** The room of this page. */
  readonly room: Room
}

export function sidebar ({ user, rooms, room }: Sidebar): Html {
  return html`
    <nav class="sidebar" aria-label="Rooms">
      <p class="brand"><img src="/icon.svg" alt="" width="28" height="28">Gable</p>
      <ul class="rooms">
        ${rooms.map(({ id, name, last }) => html`
        <li>
          <a href="/rooms/${id}" ${id === room.id && html`aria-current="page"`}>
            <span class="room-name">${name}</span>
            <span class="room-last" id="last-${id}">${lastView(last)}</span>
          </a>
        </li>`)}
      </ul>
      <form class="me" method="post" action="/goodbye">
        ${avatar(user.id, user.name)}
        <span class="me-name">${user.name}</span>
        <button class="quiet">Leave</button>
      </form>
    </nav>`
}

/** What was said last in a room. */
export function lastView (last: ListedRoom['last']): Html {
  return last === null ? html`Nothing yet` : html`${last.author}: ${last.text}`
}
