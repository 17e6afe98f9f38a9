// One who hears a subscription: its callbacks, its state and its place in the streams. Never speaks to the server.
import type { BroadcastFrame, Position, Positions } from '@fastify-channels/protocol'
import { Cursor } from './cursor.ts'
import { report } from './error.ts'
import type { Callbacks, SubscriptionState } from './types.ts'

/** What a listener wants to know of its membership: declared here, implemented there. */
export interface Home {
  readonly isConfirmed: boolean
}

export class Listener {
  readonly #home: Home
  readonly #callbacks: Callbacks
  readonly cursor: Cursor
  state: SubscriptionState = 'waiting'
  #wasConnected = false

  constructor (home: Home, callbacks: Callbacks, since: Positions) {
    this.#home = home
    this.#callbacks = callbacks
    this.cursor = new Cursor(since)
  }

  get isReady (): boolean {
    return this.#home.isConfirmed
  }

  get refusal (): 'rejected' | 'unsubscribed' | null {
    return this.state === 'rejected' || this.state === 'unsubscribed' ? this.state : null
  }

  /** The server confirmed; `recovered` is what it said about missed broadcasts. */
  confirm (streams: ReadonlyMap<string, Position | null>, recovered: boolean | null): void {
    const wasBehind = this.cursor.isBehind
    const released = this.cursor.settle(streams)
    // Connected already and nothing lost: the hole was closed, and nobody needs to know.
    if (this.state !== 'connected' || (wasBehind && recovered === false)) this.connect(recovered)
    for (const frame of released) this.#receive(frame)
  }

  connect (recovered: boolean | null): void {
    if (this.refusal !== null) return
    const reconnected = this.#wasConnected && this.state !== 'connected'
    this.state = 'connected'
    this.#wasConnected = true
    this.#tell('connected', { reconnected, recovered, gap: recovered === false })
  }

  disconnect (willReconnect: boolean, reason: string): void {
    if (this.refusal !== null || (this.state === 'waiting' && willReconnect)) return
    this.state = 'waiting'
    this.#tell('disconnected', { willReconnect, reason })
  }

  reject (reason: string | null): void {
    if (this.refusal !== null) return
    this.state = 'rejected'
    this.#tell('rejected', { reason })
  }

  /** Takes one broadcast in its turn. Returns true when some before it are missing. */
  hear (frame: BroadcastFrame): boolean {
    const verdict = this.cursor.weigh(frame)
    if (verdict === 'take') this.#receive(frame)
    return verdict === 'hold'
  }

  receive (data: unknown): void {
    this.#tell('received', data)
  }

  #receive (frame: BroadcastFrame): void {
    // Without data: this tab was left out of the broadcast, and only moves on (PROTOCOL §4).
    if ('data' in frame) this.receive(frame.data)
  }

  #tell (event: keyof Callbacks, about: any): void {
    // What another callback unsubscribed hears nothing more.
    if (this.state === 'unsubscribed') return
    // A promise catches what is thrown now and what is rejected later, and reports it after all others were told.
    new Promise(resolve => resolve(this.#callbacks[event]?.(about))).catch(report)
  }
}
