// An avatar: the first letter of a name, on a colour that stays the same for that name.
import { html } from './html.ts'
import type { Html } from './html.ts'

export function avatar (login: string): Html {
  return html`<span class="avatar" data-color="${colorOf(login)}" aria-hidden="true">${login.slice(0, 1)}</span>`
}

// public/chat.js chooses in the same way.
function colorOf (login: string): number {
  return Array.from(login).reduce((sum, character) => sum + character.codePointAt(0)!, 0) % 6
}
