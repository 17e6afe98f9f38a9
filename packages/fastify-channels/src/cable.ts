// app.cable: what the app says to its listeners. Encodes once, publishes through the backend, and never sees who hears it.
import { isWellFormed } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { BackendHealth, CableBackend, PublishOptions } from './backend.ts'
import { InvalidPayload, InvalidStream } from './errors.ts'

/** Whose connections to end. */
export interface DisconnectFilter {
  /** As `session.userId` gave it; compared as a string. */
  readonly userId: string | number
}

export interface DisconnectOptions {
  /** True: the client comes back and is authorised again. Default false: it stays away until the page connects anew. */
  readonly reconnect?: boolean
}

/** A control message, as every process gets it. */
export interface DisconnectMessage {
  readonly userId: string
  readonly reconnect: boolean
}

/** The pub/sub broker of an app (guide §1): decorates the instance as `app.cable`. */
export class Cable {
  readonly #backend: CableBackend
  readonly #log: FastifyBaseLogger

  constructor (backend: CableBackend, log: FastifyBaseLogger) {
    this.#backend = backend
    this.#log = log
  }

  /**
   * Delivers `data` to every listener of `stream`, in every process (guide §7).
   * @param data anything JSON can carry; absent or null is `{}`
   * @returns settles when the cable has taken it. It may be left unawaited: a failure is logged, never an unhandled rejection.
   * @throws FST_CHANNELS_INVALID_STREAM, FST_CHANNELS_INVALID_PAYLOAD, FST_CHANNELS_CABLE_UNAVAILABLE (as rejections)
   */
  broadcast (stream: string, data?: unknown, options: PublishOptions = {}): Promise<void> {
    const taken = this.#encodeAndPublish(stream, data, options)
    taken.catch(error => this.#log.error({ err: error, stream: String(stream).slice(0, 200) }, 'a broadcast failed'))
    return taken
  }

  /** Publishes what is JSON already. The same promises as `broadcast`. */
  async publish (stream: string, json: string, options: PublishOptions = {}): Promise<void> {
    await this.#backend.publish(stream, json, options)
  }

  /** Ends every connection of a user, in every process: for a logout or a ban (close code 4500, or 4000 with `reconnect`). */
  async disconnect ({ userId }: DisconnectFilter, { reconnect = false }: DisconnectOptions = {}): Promise<void> {
    if (typeof userId !== 'string' && typeof userId !== 'number') throw new TypeError('cable.disconnect({ userId }): userId is a string or a number')
    const message: DisconnectMessage = { userId: String(userId), reconnect }
    await this.#backend.control(JSON.stringify(message))
  }

  /** How the cable is: `ok` false means that broadcasts do not reach everybody. */
  health (): BackendHealth {
    return this.#backend.health()
  }

  async #encodeAndPublish (stream: string, data: unknown, options: PublishOptions): Promise<void> {
    checkStream(stream)
    await this.publish(stream, encodePayload(data), options)
  }
}

/** Throws unless `name` can name a stream (guide §7.1). */
export function checkStream (name: unknown): asserts name is string {
  if (typeof name !== 'string') throw new InvalidStream(name === null ? 'null' : typeof name)
  if (name === '' || !isWellFormed(name) || Buffer.byteLength(name) > 512) throw new InvalidStream(JSON.stringify(name.slice(0, 100)))
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

/** Reads a control message by hand: whatever another process sent, only this shape gets through. */
export function readDisconnect (message: string): DisconnectMessage | null {
  try {
    const { userId, reconnect } = JSON.parse(message)
    return typeof userId === 'string' && typeof reconnect === 'boolean' ? { userId, reconnect } : null
  } catch {
    return null
  }
}
