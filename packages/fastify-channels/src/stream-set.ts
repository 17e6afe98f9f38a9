// The streams of one subscription: held until it may hear them, then live. Never decides when; never runs the app's code.
import type { Address, Dialect, Position, Positions, Tag } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Eventually } from './backend.ts'
import { checkStream } from './cable.ts'
import { isPromise } from './deadline.ts'
import { TooManyStreams } from './errors.ts'
import { encode } from './frame.ts'
import type { Limits } from './limits.ts'
import type { Listening } from './listening.ts'
import type { Holder, Sink } from './streams.ts'

/** What a set of streams needs of its subscription: declared here, implemented there. */
export interface Subscriber {
  readonly sink: Sink
  readonly dialect: Dialect
  readonly address: Address
  readonly ref: Tag | null
  readonly isConfirmed: boolean
  readonly log: FastifyBaseLogger
  readonly limits: Limits
  readonly listening: Listening
  /** More broadcasts came before the confirmation than may be held. */
  overflow: () => void
}

/** A broadcast that waits. */
interface Held {
  readonly stream: string
  readonly at: Position | null
  readonly json: string
}

export class StreamSet implements Holder {
  readonly #subscriber: Subscriber
  /** Heard live. */
  #live: string[] = []
  /** Held back, each with the position its listening began at. */
  #waiting: Map<string, Eventually<Position | null>> | null = null
  #held: Held[] | null = null

  constructor (subscriber: Subscriber) {
    this.#subscriber = subscriber
  }

  /** Starts to listen to a stream; twice is once. */
  start (stream: string): void {
    checkStream(stream)
    if (this.#live.includes(stream) || this.#waiting?.has(stream)) return
    const { limits, listening, address, isConfirmed } = this.#subscriber
    if (this.#live.length + (this.#waiting?.size ?? 0) >= limits.maxStreams) throw new TooManyStreams(address.channel, limits.maxStreams)
    const from = listening.hold(stream, this)
    this.#waiting ??= new Map()
    this.#waiting.set(stream, from)
    // Until the confirmation, `ready` is what waits for it; a rejection before that belongs to nobody else.
    if (isConfirmed) this.#openLate(stream, from)
    else if (isPromise(from)) from.then(null, () => {})
  }

  /** Stops listening to a stream; what was held of it is forgotten. */
  stop (stream: string): void {
    const { listening, sink } = this.#subscriber
    if (this.#waiting?.delete(stream)) {
      this.#held = this.#held?.filter(held => held.stream !== stream) ?? null
      listening.release(stream, this)
    } else if (this.#live.includes(stream)) {
      this.#live = this.#live.filter(name => name !== stream)
      listening.leave(stream, this.#lane, sink)
      this.#announce()
    }
  }

  stopAll (): void {
    for (const stream of [...this.#waiting?.keys() ?? [], ...this.#live]) this.stop(stream)
  }

  /** Settles when nothing of any of its streams can pass unheard. Rejects when a stream could not be started. */
  async ready (): Promise<void> {
    for (const [stream, from] of this.#waiting ?? []) {
      if (!isPromise(from)) continue
      const at = await from
      if (this.#waiting?.get(stream) === from) this.#waiting.set(stream, at)
    }
  }

  /** In one step: what this connection was sent already and this subscription was not, the confirmation, all that was held. */
  confirm (): void {
    const { sink, dialect, address, ref } = this.#subscriber
    const waiting = this.#waiting
    const held = this.#held ?? []
    this.#waiting = this.#held = null
    const later = held.filter(broadcast => !this.#replay(broadcast))
    const positions = this.#positions()
    for (const [stream, from] of waiting ?? []) positions[stream] = this.#positionAfter(stream, from)
    sink.write(encode(dialect.confirm(address, ref, positions, null)))
    for (const stream of waiting?.keys() ?? []) this.#open(stream)
    this.#flush(later)
  }

  /** Answers once more, for a client that asked twice. */
  confirmAgain (): void {
    const { sink, dialect, address, ref } = this.#subscriber
    sink.write(encode(dialect.confirm(address, ref, this.#positions(), null)))
  }

  /** Leaves every stream without a word. */
  close (): void {
    const { listening, sink } = this.#subscriber
    for (const stream of this.#waiting?.keys() ?? []) listening.release(stream, this)
    for (const stream of this.#live) listening.leave(stream, this.#lane, sink)
    this.#waiting = this.#held = null
    this.#live = []
  }

  /** A broadcast to a stream that is not heard live yet. */
  hold (stream: string, at: Position | null, json: string): void {
    this.#held ??= []
    if (this.#held.length < this.#subscriber.limits.maxHeldBroadcasts) this.#held.push({ stream, at, json })
    else this.#subscriber.overflow()
  }

  /** A stream started after the confirmation: the client is told of it before it hears it. */
  #openLate (stream: string, from: Eventually<Position | null>): void {
    if (isPromise(from)) {
      const stillWaiting = () => this.#waiting?.get(stream) === from
      from.then(at => { if (stillWaiting()) this.#openLate(stream, at) }, error => {
        this.#subscriber.log.error({ err: error, stream }, 'a stream could not be started')
        if (stillWaiting()) this.stop(stream)
      })
      return
    }
    const held = this.#held?.filter(broadcast => broadcast.stream === stream) ?? []
    this.#held = this.#held?.filter(broadcast => broadcast.stream !== stream) ?? null
    this.#waiting?.delete(stream)
    const later = held.filter(broadcast => !this.#replay(broadcast))
    const at = this.#positionAfter(stream, from)
    this.#open(stream)
    this.#announce({ [stream]: at })
    this.#flush(later)
  }

  #open (stream: string): void {
    const { listening, sink, dialect } = this.#subscriber
    this.#live.push(stream)
    listening.join(stream, this, dialect, this.#lane, sink)
  }

  /** Where the client stands in a stream once this set hears it: what is held comes after that, what was replayed before. */
  #positionAfter (stream: string, from: Eventually<Position | null>): Position | null {
    return this.#isHeard(stream) ? this.#subscriber.listening.position(stream) : from as Position | null
  }

  /** True when the connection hears this stream already, for another subscription, in frames both share. */
  #isHeard (stream: string): boolean {
    return this.#subscriber.listening.hears(stream, this.#lane, this.#subscriber.sink)
  }

  #replay ({ stream, at, json }: Held): boolean {
    const { sink, dialect, ref } = this.#subscriber
    const text = this.#isHeard(stream) ? dialect.replay(ref, stream, at, json) : null
    if (text === null) return false
    sink.write(encode(text))
    return true
  }

  #flush (later: Held[]): void {
    const { sink, dialect } = this.#subscriber
    for (const { stream, at, json } of later) sink.write(encode(dialect.broadcast(this.#lane, stream, at, json)))
  }

  #announce (known: Positions = {}): void {
    const { sink, dialect, address, isConfirmed } = this.#subscriber
    const text = isConfirmed ? dialect.streams(address, { ...this.#positions(), ...known }) : null
    if (text !== null) sink.write(encode(text))
  }

  #positions (): Positions {
    return Object.fromEntries(this.#live.map(stream => [stream, this.#subscriber.listening.position(stream)]))
  }

  get #lane (): string {
    return this.#subscriber.dialect.lane(this.#subscriber.address)
  }
}
