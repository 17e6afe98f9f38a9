// Which streams this process listens to, counted, so that the backend hears of the first listener and of the last one only.
import type { Dialect, Position } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { CableBackend, Eventually } from './backend.ts'
import { isPromise } from './deadline.ts'
import type { Holder, Sink, Streams } from './streams.ts'

interface Listened {
  listeners: number
  /** Settles when the backend will let nothing pass unheard. */
  readonly ready: Eventually<Position | null>
}

export class Listening {
  readonly #backend: CableBackend
  readonly #streams: Streams
  readonly #log: FastifyBaseLogger
  readonly #listened = new Map<string, Listened>()

  constructor (backend: CableBackend, streams: Streams, log: FastifyBaseLogger) {
    this.#backend = backend
    this.#streams = streams
    this.#log = log
  }

  /** How many streams this process listens to. */
  get size (): number {
    return this.#listened.size
  }

  /** One listener more, whose broadcasts are held until it joins. Settles with the position from which it misses nothing. */
  hold (stream: string, holder: Holder): Eventually<Position | null> {
    let listened = this.#listened.get(stream)
    if (listened === undefined) {
      listened = { listeners: 0, ready: this.#backend.listen(stream) }
      this.#listened.set(stream, listened)
    }
    listened.listeners++
    const { ready } = listened
    this.#streams.hold(stream, holder, isPromise(ready) ? null : ready)
    return isPromise(ready) ? ready : this.#streams.position(stream) ?? ready
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
