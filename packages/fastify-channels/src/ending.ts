// The one `unsubscribed()` that a subscription owes its channel, whatever ended it. Runs it once, and waits no longer than it may take.
import type { FastifyBaseLogger } from 'fastify'
import type { Channel, EndReason } from './channel.ts'
import { current } from './current.ts'
import type { User } from './current.ts'
import { within } from './deadline.ts'

/** Whose end it is: declared here, implemented by a subscription. */
export interface Mortal {
  readonly channelName: string
  /** With the last known user; nobody is loaded for an end. */
  readonly user: User | null
  readonly limits: { readonly endTimeout: number }
  readonly log: FastifyBaseLogger
}

export class Ending {
  readonly #mortal: Mortal
  /** Set from a subscribed() that completed without a reject until its unsubscribed() begins. */
  #owedTo: Channel | null = null
  /** Why it ended, once that was decided. */
  #reason: EndReason | null = null

  constructor (mortal: Mortal) {
    this.#mortal = mortal
  }

  get isOwed (): boolean {
    return this.#owedTo !== null
  }

  /** Its `subscribed()` completed: the end is owed from now on. If it has ended without waiting any longer, it is owed now. */
  async owe (channel: Channel): Promise<void> {
    this.#owedTo = channel
    if (this.#reason !== null) await this.pay(this.#reason)
  }

  /** The end is here. Only the first reason counts. */
  async pay (reason: EndReason): Promise<void> {
    this.#reason ??= reason
    const [channel, { channelName, user, limits, log }] = [this.#owedTo, this.#mortal]
    if (channel === null) return
    this.#owedTo = null
    try {
      const first = this.#reason
      // A server that stops stays until this is done.
      await within(limits.endTimeout, `${channelName}.unsubscribed()`, current.run(user, () => channel.unsubscribed(first)), true)
    } catch (error) {
      log.error({ err: error }, 'unsubscribed() failed')
    }
  }
}
