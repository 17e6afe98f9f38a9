// The client without Turbo: everything a page needs to hear a server and be heard. Importing it opens nothing.
import { Cable } from './cable.ts'
import type { CableOptions } from './options.ts'
import type { AnyChannels } from './types.ts'

export { Cable } from './cable.ts'
export { CableError } from './error.ts'
export type { CableOptions, SocketLike } from './options.ts'
export type { Subscription } from './subscription.ts'
export type { ActionOf, AnyChannels, Callbacks, ConnectedEvent, DisconnectedEvent, ParamsOf, PerformOptions, RejectedEvent, ReplyOf, SubscribeOptions, SubscriptionState } from './types.ts'

/** A cable typed by the app's channels: `createCable<{ ChatChannel: ChatChannel }>()`. */
export function createCable<Channels = AnyChannels> (options?: CableOptions): Cable<Channels> {
  return new Cable<Channels>(options)
}

/** The cable of this page, at `/cable` on its own host. */
export const cable: Cable = /* @__PURE__ */ new Cable()
