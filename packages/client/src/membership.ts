// One (channel, params) as the server knows it, shared by all who listen to it. Knows neither sockets nor calls.
import type { BroadcastFrame, ConfirmFrame, Params, Position, Positions } from '@fastify-channels/protocol'
import { distance } from './cursor.ts'
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

export class Membership {
  readonly channel: string
  readonly params: Params
  readonly #wire: Wire
  readonly #listeners = new Set<Listener>()
  /** The streams it has while confirmed, and the last position seen in each. */
  #streams = new Map<string, Position | null>()
  #ref = 0
  /** The positions of a subscribe that has no answer yet. */
  #asked: string | null = null
  /** The server confirmed it on this connection. */
  isConfirmed = false

  constructor (wire: Wire, channel: string, params: Params) {
    this.#wire = wire
    this.channel = channel
    this.params = params
  }

  get isEmpty (): boolean {
    return this.#listeners.size === 0
  }

  add (listener: Listener): void {
    this.#listeners.add(listener)
    if (!this.isConfirmed) return this.ask()
    listener.cursor.follow(this.#streams)
    if (listener.cursor.isBehind) this.ask()
    else queueMicrotask(() => { if (this.isConfirmed && listener.state === 'waiting') listener.connect(null) })
  }

  remove (listener: Listener): void {
    this.#listeners.delete(listener)
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

  /** Leaves; says so only where the server was asked. */
  leave (): void {
    const { channel, params } = this
    if (this.isConfirmed || this.#asked !== null) this.#wire.send(JSON.stringify({ command: 'unsubscribe', channel, params }))
  }

  confirm ({ ref, streams = {}, recovered = null }: ConfirmFrame): void {
    if (!this.#answers(ref)) return
    this.#streams = new Map(Object.entries(streams))
    this.#asked = null
    this.isConfirmed = true
    for (const listener of [...this.#listeners]) listener.confirm(this.#streams, recovered)
  }

  reject ({ ref, reason = null }: { ref?: unknown, reason?: string | null }): void {
    if (!this.#answers(ref)) return
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    this.#asked = null
    this.isConfirmed = false
    for (const listener of listeners) listener.reject(reason)
  }

  /** The set of streams changed. */
  follow (streams: Positions): void {
    if (!this.isConfirmed) return
    this.#streams = new Map(Object.entries(streams))
    for (const listener of this.#listeners) listener.cursor.follow(this.#streams)
  }

  hear (frame: BroadcastFrame): void {
    const { stream, at, ref } = frame
    if (ref == null ? !this.#streams.has(stream) : ref !== this.#ref) return
    if (ref == null && at != null) this.#streams.set(stream, at)
    let isBehind = false
    for (const listener of [...this.#listeners]) {
      if (!listener.hear(frame)) continue
      isBehind = true
      // An answer that never comes must not silence the stream: what is missing counts as lost.
      if (listener.cursor.held > MOST_HELD) listener.confirm(this.#streams, false)
    }
    // What is missing was sent before the answer to a subscribe under way, so that answer brings it.
    if (isBehind && this.#asked === null) this.ask()
  }

  receive (data: unknown): void {
    for (const listener of [...this.#listeners]) listener.receive(data)
  }

  disconnect (willReconnect: boolean, reason: string): void {
    this.isConfirmed = false
    this.#asked = null
    this.#streams.clear()
    for (const listener of [...this.#listeners]) listener.disconnect(willReconnect, reason)
  }

  /** Whether this is the answer to the last subscribe: an older one is stale, a second one says nothing. */
  #answers (ref: unknown): boolean {
    return this.#asked !== null && ref === this.#ref
  }

  /** Where the one furthest back stands in each stream. */
  #positions (): Map<string, Position> {
    const positions = new Map<string, Position>()
    for (const { cursor } of this.#listeners) {
      for (const [stream, at] of cursor.positions) {
        const other = positions.get(stream)
        if (at !== null && (other === undefined || !(distance(other, at) >= 0))) positions.set(stream, at)
      }
    }
    return positions
  }
}
