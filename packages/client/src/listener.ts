// One who hears a subscription: its callbacks, its state and its place in the streams. Never speaks to the server.
import type { Position } from '@fastify-channels/protocol'
import { Cursor } from './cursor.ts'
import type { Places } from './cursor.ts'
import { report } from './error.ts'
import type { Callbacks, SubscriptionState } from './types.ts'

export class Listener {
  readonly #callbacks: Callbacks
  readonly cursor: Cursor
  state: SubscriptionState = 'waiting'
  #wasConnected = false

  constructor (callbacks: Callbacks, since: { readonly [stream: string]: Position | null }) {
    this.#callbacks = callbacks
    this.cursor = new Cursor(since, data => this.receive(data))
  }

  /** Why it may make no call any more. */
  get refusal (): 'rejected' | 'unsubscribed' | null {
    return this.state === 'rejected' || this.state === 'unsubscribed' ? this.state : null
  }

  /** The server confirmed; `recovered` is what it said about missed broadcasts. */
  confirm (streams: Places, recovered: boolean | null): void {
    const outcome = this.cursor.settle(streams, recovered)
    // Connected already and nothing lost: the hole was closed, and nobody needs to know.
    if (this.state !== 'connected' || outcome === false) this.connect(outcome)
  }

  connect (recovered: boolean | null): void {
    const reconnected = this.#wasConnected && this.state !== 'connected'
    this.#wasConnected = true
    this.#become('connected', 'connected', { reconnected, recovered, gap: recovered === false })
  }

  disconnect (willReconnect: boolean, reason: string): void {
    if (this.state === 'connected' || !willReconnect) this.#become('waiting', 'disconnected', { willReconnect, reason })
  }

  reject (reason: string | null): void {
    this.#become('rejected', 'rejected', { reason })
  }

  receive (data: unknown): void {
    this.#tell('received', data)
  }

  #become (state: SubscriptionState, event: keyof Callbacks, about: object): void {
    if (this.refusal !== null) return
    this.state = state
    this.#tell(event, about)
  }

  #tell (event: keyof Callbacks, about: any): void {
    // What another callback unsubscribed hears nothing more.
    if (this.state === 'unsubscribed') return
    // A promise catches what is thrown now and what is rejected later, and reports it after all others were told.
    new Promise(resolve => resolve(this.#callbacks[event]?.(about))).catch(report)
  }
}
