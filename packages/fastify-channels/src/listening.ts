// Which streams this process listens to, counted, so that the backend hears of the first listener and of the last one only.
import type { Dialect, Position } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Broadcast, CableBackend, Eventually } from './backend.ts'
import type { RetentionOf } from './cable.ts'
import { isPromise } from './deadline.ts'
import type { Holder, Sink, Streams } from './streams.ts'

interface Listened {
  listeners: number
  /** Settles with the position from which the backend lets nothing pass unheard. */
  readonly ready: Eventually<Position | null>
}

export class Listening {
  readonly #backend: CableBackend
  readonly #streams: Streams
  readonly #retentionOf: RetentionOf
  readonly #log: FastifyBaseLogger
  readonly #listened = new Map<string, Listened>()

  constructor (backend: CableBackend, streams: Streams, retentionOf: RetentionOf, log: FastifyBaseLogger) {
    this.#backend = backend
    this.#streams = streams
    this.#retentionOf = retentionOf
    this.#log = log
  }

  /** One listener more, whose broadcasts are held until it joins. Settles with the position from which it holds everything; null where there are none. */
  hold (stream: string, holder: Holder): Eventually<Position | null> {
    this.#streams.hold(stream, holder)
    let listened: Listened
    try {
      listened = this.#listened.get(stream) ?? this.#begin(stream)
    } catch (error) {
      this.#streams.release(stream, holder)
      throw error
    }
    listened.listeners++
    return isPromise(listened.ready) && this.position(stream) === null ? listened.ready : this.position(stream)
  }

  /** A held listener gives up. */
  release (stream: string, holder: Holder): void {
    this.#streams.release(stream, holder)
    this.#forget(stream)
  }

  /** A held listener hears the stream from now on. */
  join (stream: string, holder: Holder, dialect: Dialect, lane: string, sink: Sink): void {
    this.#streams.join(stream, dialect, lane, sink)
    this.#streams.release(stream, holder)
  }

  /** A listener leaves. */
  leave (stream: string, lane: string, sink: Sink): void {
    this.#streams.leave(stream, lane, sink)
    this.#forget(stream)
  }

  /** True when `sink` hears the stream in this lane already. */
  hears (stream: string, lane: string, sink: Sink): boolean {
    return this.#streams.hears(stream, lane, sink)
  }

  /** The last position delivered here, or the one listening began with. */
  position (stream: string): Position | null {
    return this.#streams.position(stream)
  }

  /** What was said after `since` up to `upTo`; null where not all of it can be told. */
  replay (stream: string, since: Position, upTo: Position): Eventually<readonly Broadcast[] | null> {
    return this.#backend.replay(stream, since, upTo)
  }

  #begin (stream: string): Listened {
    const isKept = this.#retentionOf(stream) !== null
    const begun = this.#backend.listen(stream)
    // A stream that keeps nothing has no position to come back to.
    const ready = isPromise(begun) ? begun.then(at => isKept ? at : null) : isKept ? begun : null
    const listened: Listened = { listeners: 0, ready }
    if (!isPromise(ready)) this.#streams.begin(stream, ready)
    else ready.then(at => { if (this.#listened.get(stream) === listened) this.#streams.begin(stream, at) }, () => {})
    this.#listened.set(stream, listened)
    return listened
  }

  #forget (stream: string): void {
    const listened = this.#listened.get(stream)
    if (listened === undefined || --listened.listeners > 0) return
    this.#listened.delete(stream)
    this.#unlisten(stream).catch(error => this.#log.warn({ err: error, stream }, 'the cable could not stop listening'))
  }

  async #unlisten (stream: string): Promise<void> {
    await this.#backend.unlisten(stream)
  }
}
