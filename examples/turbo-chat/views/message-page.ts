// One message as a page. Turbo takes the frame out of it; without Turbo, it is the page.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import type { Message } from '../messages.ts'
import { layout } from './layout.ts'

export function messagePage ({ roomId }: Message, message: Html): Html {
  return layout({
    title: 'Message',
    page: 'single',
    body: html`
    <main class="card">
      ${message}
      <a href="/rooms/${roomId}">Back to the room</a>
    </main>`
  })
}
