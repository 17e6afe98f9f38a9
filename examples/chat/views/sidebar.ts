// The side of every page of a logged-in user: their rooms, and the way out. public/sidebar.js keeps it up to date.
import type { ListedRoom, Room } from '../rooms.ts'
import type { User } from '../users.ts'
import { avatar } from './avatar.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

export interface Sidebar {
  readonly user: User
  readonly rooms: readonly ListedRoom[]
  /** Where the rooms' streams stood when this was read, from `app.cable.snapshot`. */
  readonly since: string | null
  /** The room of this page. */
  readonly room?: Room
}

export function sidebar ({ user, rooms, since, room }: Sidebar): Html {
  return html`
    <nav class="sidebar" aria-label="Rooms">
      <a class="brand" href="/rooms"><img src="/icon.svg" alt="" width="28" height="28">Lantern</a>
      <ul class="rooms" data-me="${user.login}" data-since="${since}">
        ${rooms.map(listed => html`
        <li data-room="${listed.id}">
          <a href="/rooms/${listed.id}" ${listed.id === room?.id && html`aria-current="page"`}>
            <span class="room-name">${listed.name}${listed.isPrivate && lock}</span>
            <time datetime="${listed.spokenAt}">${listed.spokenAt.slice(11, 16)}</time>
            <span class="room-last">${listed.message === null ? listed.topic : `${listed.sender}: ${listed.message}`}</span>
            <span class="unread" role="img" aria-label="Something new" hidden></span>
          </a>
        </li>`)}
      </ul>
      <form class="me" method="post" action="/logout">
        ${avatar(user.login)}
        <span class="me-name">${user.login}</span>
        <button class="quiet">Log out</button>
      </form>
    </nav>`
}

/** Says that a room is private. */
export const lock = html`<svg class="lock" viewBox="0 0 16 16" width="12" height="12" role="img" aria-label="private"><path d="M4.5 7V5a3.5 3.5 0 0 1 7 0v2h.5a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1zm1.5 0h4V5a2 2 0 1 0-4 0z"/></svg>`
