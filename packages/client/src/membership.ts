// One (channel, params) as the server knows it, shared by all who listen to it. Knows neither sockets nor calls.
import type { BroadcastFrame, ConfirmFrame, GapFrame, Params, Position, Positions, RejectFrame } from '@fastify-channels/protocol'
import { isPast } from './cursor.ts'
import type { Listener } from './listener.ts'

/** The way to the server: declared here, implemented by the cable. */
export interface Wire {
  readonly tab: string
  /** A number never given before. */
  count: () => number
  /** Writes the text of a command. False when there is no connection to write it on. */
  send: (text: string) => boolean
}

/** Broadcasts that may wait for a missing one. */
const MOST_HELD = 1000
/** Positions that one subscribe may carry (PROTOCOL §2). */
const MOST_POSITIONS = 100

export class Membership {
  readonly channel: string
  readonly params: Params
  readonly #wire: Wire
  /** Replaced, never changed: who comes during a delivery hears the next one. */
  #listeners: readonly Listener[] = []
  /** The streams it has while confirmed, and the last position seen in each. */
  #streams = new Map<string, Position | null>()
  #ref = 0
  /** The positions of a subscribe that has no answer yet; empty when its answer has begun. */
  #asked: string | null = null
  /** The server confirmed it on this connection. */
  isConfirmed = false

  constructor (wire: Wire, channel: string, params: Params) {
    this.#wire = wire
    this.channel = channel
    this.params = params
  }

  get isEmpty (): boolean {
    return this.#listeners.length === 0
  }

  add (listener: Listener): void {
    this.#listeners = [...this.#listeners, listener]
    if (!this.isConfirmed || listener.cursor.follow(this.#streams)) this.ask()
    else queueMicrotask(() => { if (this.isConfirmed && listener.state === 'waiting') listener.connect(null) })
  }

  remove (listener: Listener): void {
    this.#listeners = this.#listeners.filter(other => other !== listener)
  }

  /** Subscribes, or asks a confirmed subscription for what its listeners miss. */
  ask (): void {
    if (this.isEmpty) return
    const { channel, params } = this
    const positions = this.#positions()
    const command = { command: 'subscribe', channel, params, tab: this.#wire.tab, positions: positions.size > 0 ? Object.fromEntries(positions) : undefined }
    const asked = JSON.stringify(command)
    if (asked === this.#asked) return
    const ref = this.#wire.count()
    if (!this.#wire.send(JSON.stringify({ ...command, ref }))) return
    this.#ref = ref
    this.#asked = asked
  }

  /** Asks again what has no answer, in case it was never heard. */
  repeat (): void {
    if (this.#asked === null) return
    this.#asked = null
    this.ask()
  }

  /** Leaves; says so only where the server was asked. */
  leave (): void {
    const { channel, params } = this
    if (this.isConfirmed || this.#asked !== null) this.#wire.send(JSON.stringify({ command: 'unsubscribe', channel, params }))
  }

  /** The server answers the last subscribe (an answer to an older one is stale), or ends, without a ref, what it had confirmed. */
  answer (frame: ConfirmFrame | RejectFrame): void {
    const { type, ref } = frame
    if (type === 'reject_subscription' && ref == null ? !this.isConfirmed : this.#asked === null || ref !== this.#ref) return
    this.#reset()
    const listeners = this.#listeners
    if (type === 'reject_subscription') {
      this.#listeners = []
      for (const listener of listeners) listener.reject(frame.reason ?? null)
    } else {
      this.isConfirmed = true
      this.#streams = new Map(Object.entries(frame.streams ?? {}))
      for (const listener of listeners) listener.confirm(this.#streams, frame.recovered ?? null)
    }
  }

  /** The set of streams changed. */
  follow (streams: Positions): void {
    if (!this.isConfirmed) return
    this.#streams = new Map(Object.entries(streams))
    this.#askIf(listener => listener.cursor.follow(this.#streams))
  }

  hear (frame: BroadcastFrame): void {
    const { stream, at, ref } = frame
    if (ref == null) {
      const here = this.#streams.get(stream)
      if (here === undefined) return
      // It goes back while somebody else on this connection catches up.
      if (at != null && !isPast(here, at)) this.#streams.set(stream, at)
    } else {
      if (ref !== this.#ref) return
      this.#asked = ''
    }
    this.#askIf(listener => {
      const held = listener.cursor.hear(frame)
      // An answer that never comes must not silence the stream: what is missing counts as lost.
      if (held > MOST_HELD) listener.confirm(this.#streams, false)
      return held > 0
    })
  }

  /** Something is lost in a stream. */
  skip ({ stream, at = null }: GapFrame): void {
    if (!this.#streams.has(stream)) return
    this.#streams.set(stream, at)
    for (const listener of this.#listeners) if (listener.cursor.jump(stream, at)) listener.connect(false)
  }

  receive (data: unknown): void {
    for (const listener of this.#listeners) listener.receive(data)
  }

  disconnect (willReconnect: boolean, reason: string): void {
    this.#reset()
    for (const listener of this.#listeners) listener.disconnect(willReconnect, reason)
  }

  #reset (): void {
    this.isConfirmed = false
    this.#asked = null
    this.#streams.clear()
  }

  /** Asks when one of the listeners turns out to be behind; what is missing before the answer to a subscribe under way comes with that answer. */
  #askIf (isBehind: (listener: Listener) => boolean): void {
    if (this.#listeners.filter(isBehind).length > 0 && this.#asked === null) this.ask()
  }

  /** Where the one furthest back stands in each stream. */
  #positions (): Map<string, Position> {
    const positions = new Map<string, Position>()
    for (const { cursor } of this.#listeners) {
      for (const [stream, at] of cursor.places) {
        const other = positions.get(stream)
        if (at !== null && (other === undefined ? positions.size < MOST_POSITIONS : !isPast(at, other))) positions.set(stream, at)
      }
    }
    return positions
  }
}
