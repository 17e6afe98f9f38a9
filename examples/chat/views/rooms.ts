// The list of rooms: all there is on a phone, and beside it, on a desktop, an invitation to choose one.
import { html } from './html.ts'
import type { Html } from './html.ts'
import { layout } from './layout.ts'
import { sidebar } from './sidebar.ts'
import type { Sidebar } from './sidebar.ts'

export function roomsPage (page: Sidebar): Html {
  return layout({
    title: 'Rooms',
    page: 'chat in-lobby',
    script: '/sidebar.js',
    body: html`
    ${sidebar(page)}
    <main class="empty">
      <img src="/icon.svg" alt="" width="72" height="72">
      <h1>Hello, ${page.user.login}</h1>
      <p>Choose a room and say something.</p>
    </main>`
  })
}
