// The page for when something is wrong: what happened, and where to go from here.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import { layout } from './layout.ts'

const words = new Map([
  [400, ['That did not work', 'Something in what was sent makes no sense here.']],
  [404, ['There is nothing here', 'The address is wrong, what was here is gone, or it is not yours to change.']],
  [500, ['Something went wrong', 'It is our fault, not yours. Please try again.']]
])

export function errorPage (status: number): Html {
  const [title, text] = words.get(status) ?? words.get(status < 500 ? 400 : 500)!
  return layout({
    title: title!,
    page: 'door',
    isWhole: true,
    body: html`
    <main class="card">
      <img class="logo" src="/icon.svg" alt="" width="56" height="56">
      <p class="code">${status}</p>
      <h1>${title}</h1>
      <p class="lead">${text}</p>
      <a class="button" href="/">To the house</a>
    </main>`
  })
}
