// AppChannel: what all channels of this app have in common. Channels are to sockets what routes are to requests.
import { Channel, current } from 'fastify-channels'
import type { User } from '../users.ts'

export abstract class AppChannel<Params extends object> extends Channel<Params> {
  /** The logged-in user who is speaking. Every channel of this app rejects visitors, so an action always has one. */
  protected get speaker (): User {
    if (current.user === null) throw new Error(`${this.channelName} let somebody in who is not logged in`)
    return current.user
  }
}
