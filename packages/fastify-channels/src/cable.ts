// app.cable: what the app says to its listeners. Encodes once, publishes through the backend, and never sees who hears it.
import { identify, isWellFormed, writeSince } from '@fastify-channels/protocol'
import type { Params } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { BackendHealth, CableBackend, Eventually, Retention } from './backend.ts'
import { checkFilter, writeControl } from './control.ts'
import type { ConnectionFilter, DisconnectOptions } from './control.ts'
import { isPromise, within } from './deadline.ts'
import { InvalidPayload, InvalidStream } from './errors.ts'

/** How one broadcast is said. */
export interface BroadcastOptions {
  /** False: it is not kept, and nobody can be told later what they missed of it. Default: as the option `history` says. */
  readonly history?: boolean | undefined
  /** The tab that is left out: a page that knows already (`this.tab` in a channel). */
  readonly except?: string | null | undefined
}

/** What `app.cable.snapshot()` settles with. */
export interface Snapshot<T> {
  /** What `read` returned. */
  readonly data: T
  /** Where the streams stood before it was read: for a `since` attribute, or `subscribe(…, { since })`. Null when nobody knows. */
  readonly since: string | null
}

/** What a process holds now. */
export interface Counts {
  readonly connections: number
  /** Subscriptions of all connections, pending ones included. */
  readonly subscriptions: number
  /** Streams somebody listens to. */
  readonly streams: number
}

/** How long a stream's broadcasts are kept; null: not at all. */
export type RetentionOf = (stream: string) => Retention | null

/** The pub/sub broker of an app (guide §1): decorates the instance as `app.cable`. */
export class Cable {
  readonly #backend: CableBackend
  readonly #log: FastifyBaseLogger
  readonly #retentionOf: RetentionOf
  readonly #counts: () => Counts

  constructor (backend: CableBackend, log: FastifyBaseLogger, retentionOf: RetentionOf, counts: () => Counts) {
    this.#backend = backend
    this.#log = log
    this.#retentionOf = retentionOf
    this.#counts = counts
  }

  /**
   * Delivers `data` to every listener of `stream`, in every process (guide §7).
   * @param data anything JSON can carry; absent or null is `{}`
   * @returns settles when the cable has taken it. It may be left unawaited: a failure is logged, never an unhandled rejection.
   * @throws FST_CHANNELS_INVALID_STREAM, FST_CHANNELS_INVALID_PAYLOAD, FST_CHANNELS_CABLE_UNAVAILABLE (as rejections)
   */
  broadcast (stream: string, data?: unknown, options?: BroadcastOptions): Promise<void> {
    const taken = this.#encodeAndPublish(stream, data, options)
    if (taken !== settled) taken.catch(error => this.#log.error({ err: error, stream: String(stream).slice(0, 200) }, 'a broadcast failed'))
    return taken
  }

  /** Publishes what is JSON already. The same promises as `broadcast`. */
  publish (stream: string, json: string, { history = true, except = null }: BroadcastOptions = {}): Promise<void> {
    const taken = this.#backend.publish(stream, json, { history: history ? this.#retentionOf(stream) : null, except })
    return isPromise(taken) ? taken.then(() => {}) : settled
  }

  /**
   * Reads the data of a page and the place in its streams it belongs to, so that nothing is missed between the page and its socket.
   * The place is taken before `read` runs; a page is never failed by the cable.
   *
   * @example const { data, since } = await app.cable.snapshot([`chat_${id}`], () => messages.of(id))
   */
  async snapshot<T> (streams: string | readonly string[], read: () => Eventually<T>): Promise<Snapshot<T>> {
    const names = typeof streams === 'string' ? [streams] : streams
    names.forEach(checkStream)
    const since = await this.#positions(names)
    return { data: await read(), since }
  }

  /** Ends connections, in every process: for a logout or a ban (close code 4500, or 4000 with `reconnect`). */
  async disconnect (filter: ConnectionFilter, { reconnect = false }: DisconnectOptions = {}): Promise<void> {
    await this.#backend.control(writeControl({ verb: 'disconnect', filter: checkFilter(filter), reconnect }))
  }

  /** Ends one subscription of the connections that match, in every process, and leaves their sockets open: the client hears `rejected`, reason `revoked`. */
  async revoke (filter: ConnectionFilter, channel: string, params: Params = {}): Promise<void> {
    await this.#backend.control(writeControl({ verb: 'revoke', filter: checkFilter(filter), key: identify(channel, params) }))
  }

  /** How the cable is, for a readiness probe: `ok` false means that broadcasts do not reach everybody. With what this process holds. */
  health (): BackendHealth & Counts {
    return { ...this.#backend.health(), ...this.#counts() }
  }

  async #positions (streams: readonly string[]): Promise<string | null> {
    try {
      const kept = streams.filter(stream => this.#retentionOf(stream) !== null)
      if (kept.length === 0) return null
      const positions = await within(PATIENCE, 'where the streams stand', this.#backend.position(kept))
      const known = kept.flatMap((stream, index) => positions[index] == null ? [] : [[stream, positions[index]] as const])
      // A place in a part of the streams would promise the whole.
      return known.length === kept.length ? writeSince(Object.fromEntries(known)) : null
    } catch (error) {
      // A page without its place is a page all the same.
      this.#log.warn({ err: error, streams }, 'nobody knows where the streams of a page stand')
      return null
    }
  }

  #encodeAndPublish (stream: string, data: unknown, options?: BroadcastOptions): Promise<void> {
    try {
      checkStream(stream)
      return this.publish(stream, encodePayload(data), options)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** How long a page waits for the place it stands at, in milliseconds. */
const PATIENCE = 1000

/** What is taken at once: one promise for all. */
const settled = Promise.resolve()

/** Throws unless `name` can name a stream (guide §7.1). */
export function checkStream (name: unknown): asserts name is string {
  if (typeof name !== 'string') throw new InvalidStream(name === null ? 'null' : typeof name)
  // A stream called __proto__ could not be named in a table of positions.
  if (name === '' || name === '__proto__' || !isWellFormed(name) || Buffer.byteLength(name) > 512) throw new InvalidStream(JSON.stringify(name.slice(0, 100)))
}

/** The JSON text of a payload. Falsy data stays what it is; none is `{}` (guide §6). */
export function encodePayload (data: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(data ?? {})
  } catch (error) {
    throw new InvalidPayload((error as Error).message)
  }
  if (json === undefined) throw new InvalidPayload(`it is a ${typeof data}`)
  return json
}
