// A face for everybody: an initial, on a colour that is always the same.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'

export function avatar (id: number, name: string): Html {
  return html`<span class="avatar" data-color="${id % 6}" aria-hidden="true">${Array.from(name)[0]}</span>`
}
