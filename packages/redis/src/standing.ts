// How the cable stands: since when Redis is away, what was lost, what was ignored. Says each change once, and mends nothing.
import type { FastifyBaseLogger } from 'fastify'

/** Milliseconds between two warnings of one kind. */
const QUIET = 60_000

export class Standing {
  readonly #log: FastifyBaseLogger
  readonly #redis: string
  #lostAt: number | null = null
  #warnedAt = -Infinity
  #ignored = 0
  /** How often broadcasts of a stream were lost for good. */
  gaps = 0

  /** @param redis where it is, for the log */
  constructor (log: FastifyBaseLogger, redis: string) {
    this.#log = log
    this.#redis = redis
  }

  /** Messages that were no broadcasts of this app. */
  get ignored (): number {
    return this.#ignored
  }

  /** For how long Redis is away. */
  get downMs (): number {
    return this.#lostAt === null ? 0 : Math.round(performance.now() - this.#lostAt)
  }

  fall (reason: string): void {
    if (this.#lostAt !== null) return
    this.#lostAt = performance.now()
    this.#log.warn({ redis: this.#redis, reason }, 'the cable has lost Redis: broadcasts do not reach everybody')
  }

  rise (streams: number): void {
    if (this.#lostAt === null) return
    const ms = this.downMs
    this.#lostAt = null
    this.#log.info({ redis: this.#redis, ms, streams }, 'the cable has Redis again')
  }

  ignore (channel: string): void {
    this.#ignored++
    if (performance.now() - this.#warnedAt < QUIET) return
    this.#warnedAt = performance.now()
    this.#log.warn({ redis: this.#redis, channel: channel.slice(0, 200), ignored: this.#ignored }, 'the cable ignores what is no broadcast of this app')
  }
}
