// The backend of a single process: a broadcast is kept and delivered where it was made. Reaches nobody else.
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, BackendHost, Broadcast, CableBackend, Publication } from './backend.ts'
import { CableUnavailable } from './errors.ts'
import { History } from './history.ts'

/** Milliseconds between two looks at what is too old. */
const SWEEP = 60_000

/** The cable's default backend (guide §12: `Cable`). Correct and fast as long as every browser is connected to this process. */
export class InProcessBackend implements CableBackend {
  readonly #history: History
  readonly #listened = new Set<string>()
  #host: BackendHost | null = null
  #sweeper: NodeJS.Timeout | undefined

  /**
   * @param budget bytes of history for all streams together
   * @param now the clock by which broadcasts expire, in milliseconds
   */
  constructor (budget: number, now: () => number = Date.now) {
    this.#history = new History(budget, now)
  }

  open (host: BackendHost): void {
    this.#host = host
    this.#sweeper = setInterval(() => this.#history.sweep(), SWEEP).unref()
  }

  publish (stream: string, json: string, { history, except }: Publication): Position | null {
    if (this.#host === null) throw new CableUnavailable('it is closed')
    const broadcast = history === null ? { at: null, json, except } : this.#history.append(stream, json, except, history)
    if (this.#listened.has(stream)) this.#host.deliver(stream, broadcast)
    return broadcast.at
  }

  listen (stream: string): Position {
    this.#listened.add(stream)
    return this.#history.listen(stream)
  }

  unlisten (stream: string): void {
    this.#listened.delete(stream)
    this.#history.unlisten(stream)
  }

  position (streams: readonly string[]): Position[] {
    return streams.map(stream => this.#history.position(stream))
  }

  replay (stream: string, since: Position, upTo: Position): readonly Broadcast[] | null {
    return this.#history.replay(stream, since, upTo)
  }

  control (message: string): void {
    this.#host?.control(message)
  }

  health (): BackendHealth {
    return { ok: this.#host !== null, backend: 'in-process', historyBytes: this.#history.bytes }
  }

  close (): void {
    clearInterval(this.#sweeper)
    this.#host = null
  }
}
