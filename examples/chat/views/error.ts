// The page for when something is wrong: what happened, and where to go from here.
import type { User } from '../users.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { layout } from './layout.ts'

const words = new Map([
  [400, ['That did not work', 'Something in what was sent makes no sense here.']],
  [403, ['This room is private', 'You are not one of its members. If you should be, ask somebody who is.']],
  [404, ['There is nothing here', 'The address is wrong, or what was here is gone.']],
  [500, ['Something went wrong', 'It is our fault, not yours. Nothing was saved; please try again.']]
])

export function errorPage (status: number, user: User | null): Html {
  const [title, text] = words.get(status) ?? words.get(status < 500 ? 400 : 500)!
  return layout({
    title: title!,
    page: 'error',
    body: html`
    <main class="card">
      <img class="logo" src="/icon.svg" alt="" width="56" height="56">
      <p class="code">${status}</p>
      <h1>${title}</h1>
      <p class="lead">${text}</p>
      ${user === null ? html`<a class="button" href="/login">Log in</a>` : html`<a class="button" href="/rooms">Your rooms</a>`}
    </main>`
  })
}
