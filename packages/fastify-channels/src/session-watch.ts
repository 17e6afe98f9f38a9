// Sessions that end while their sockets are open: asks the app about all of them together, now and then. Ends nobody it was not told about.
import type { FastifyBaseLogger } from 'fastify'
import type { Connections } from './connections.ts'
import { within } from './deadline.ts'
import type { SessionChecks } from './session.ts'

/** Milliseconds between two questions. */
const INTERVAL = 60_000

export class SessionWatch {
  readonly #connections: Connections
  readonly #check: NonNullable<SessionChecks['check']>
  readonly #ms: number
  readonly #log: FastifyBaseLogger
  readonly #timer: NodeJS.Timeout

  /** @param ms how long the app's answer may take */
  constructor (connections: Connections, check: NonNullable<SessionChecks['check']>, ms: number, log: FastifyBaseLogger) {
    this.#connections = connections
    this.#check = check
    this.#ms = ms
    this.#log = log
    this.#timer = setInterval(() => this.#ask(), INTERVAL).unref()
  }

  close (): void {
    clearInterval(this.#timer)
  }

  async #ask (): Promise<void> {
    const ids = this.#connections.sessions
    if (ids.length === 0) return
    try {
      const valid = toSet(await within(this.#ms, 'session.check()', this.#check(ids)))
      for (const id of ids) if (!valid.has(id)) this.#connections.logOut(id)
    } catch (error) {
      // Nobody is thrown out because a store is away.
      this.#log.error({ err: error }, 'open sessions could not be checked')
    }
  }
}

/** A forgotten `return` must not be read as "none of them". */
function toSet (answer: Iterable<string>): ReadonlySet<string> {
  if (typeof answer !== 'object' || answer === null) throw new TypeError('session.check(ids) gives those of the ids that are still valid, as an array or a Set')
  return new Set(answer)
}
