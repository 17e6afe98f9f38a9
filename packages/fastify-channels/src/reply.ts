// reply.cable: broadcasts bound to the answer of one request (guide §7.2). They leave before the answer does, or not at all.
import type { FastifyReply } from 'fastify'
import { checkStream, encodePayload } from './cable.ts'
import type { BroadcastOptions, Cable } from './cable.ts'

interface Queued {
  readonly stream: string
  readonly json: string
  readonly options: BroadcastOptions
}

/** What `reply.cable` offers a route. */
export class ReplyCable {
  readonly #cable: Cable
  readonly #reply: FastifyReply
  #queue: Queued[] = []
  #state: 'open' | 'left' | 'dropped' = 'open'

  constructor (cable: Cable, reply: FastifyReply) {
    this.#cable = cable
    this.#reply = reply
    // A hijacked answer never passes onSend: it is over when the raw response is.
    const over = () => { if (reply.sent) this.leave().catch(() => {}) }
    reply.raw.once('finish', over)
    reply.raw.once('close', over)
  }

  /**
   * Broadcasts `data` to `stream` just before this request's answer leaves, so that the page the answer leads to already stands after it.
   * Also when the client has gone away; not when the handler failed or the status is 500 or more.
   * @throws FST_CHANNELS_INVALID_STREAM, FST_CHANNELS_INVALID_PAYLOAD
   */
  broadcast (stream: string, data?: unknown, options: BroadcastOptions = {}): void {
    checkStream(stream)
    // Encoded now: what the route does to the data later is not what it said here.
    const queued = { stream, json: encodePayload(data), options }
    if (this.#state === 'dropped') return
    this.#queue.push(queued)
    if (this.#state === 'left') this.#publish().catch(() => {})
  }

  /** Broadcasts to everybody but the page that sent this request: it gets the answer (header `x-cable-id`, which cable.js adds to Turbo's requests). */
  toOthers (): Pick<ReplyCable, 'broadcast'> {
    const { 'x-cable-id': tab } = this.#reply.request.headers
    const except = typeof tab === 'string' && tab !== '' ? tab : null
    return { broadcast: (stream, data, options) => this.broadcast(stream, data, { except, ...options }) }
  }

  /** The answer is about to leave: its broadcasts leave first. Never rejects. */
  async leave (): Promise<void> {
    if (this.#state !== 'open') return
    if (this.#reply.statusCode >= 500) return this.drop()
    this.#state = 'left'
    await this.#publish()
  }

  /** The handler failed: nothing of what it said is true. */
  drop (): void {
    this.#state = 'dropped'
    this.#queue = []
  }

  async #publish (): Promise<void> {
    const queue = this.#queue
    this.#queue = []
    await Promise.all(queue.map(async ({ stream, json, options }) => {
      try {
        await this.#cable.publish(stream, json, options)
      } catch (error) {
        this.#reply.log.error({ err: error, stream }, 'a broadcast failed')
      }
    }))
  }
}
