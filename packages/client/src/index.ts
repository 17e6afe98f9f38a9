// The client whole. Importing it opens nothing; in a browser it makes <turbo-stream-channel> known, elsewhere it does nothing.
import { cable } from './core.ts'
import { TurboStreamChannelElement } from './turbo/element.ts'
import { nameRequests } from './turbo/requests.ts'

export * from './core.ts'
export { streamFrom } from './turbo/stream-from.ts'
export { TurboStreamChannelElement } from './turbo/element.ts'

const tag = 'turbo-stream-channel'
// A second copy of this file, with a cable of its own, leaves the page to the first.
if (globalThis.customElements && !customElements.get(tag)) {
  customElements.define(tag, TurboStreamChannelElement)
  nameRequests(cable)
}
