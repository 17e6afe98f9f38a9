// The backend on Redis: Redis numbers, keeps and spreads broadcasts, and every process delivers what comes back. Sees no subscriber.
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, BackendHost, Broadcast, CableBackend, Publication } from 'fastify-channels'
import { CableUnavailable } from './errors.ts'
import { Keys } from './keys.ts'
import type { Resolved } from './options.ts'
import { Running } from './running.ts'

export class RedisBackend implements CableBackend {
  readonly #options: Resolved
  readonly #keys: Keys
  #running: Running | null = null

  constructor (options: Resolved) {
    this.#options = options
    this.#keys = new Keys(options.prefix)
  }

  async open (host: BackendHost): Promise<void> {
    const running = new Running(this.#options, this.#keys, host)
    await running.connect()
    this.#running = running
  }

  async publish (stream: string, json: string, { history, except }: Publication): Promise<Position | null> {
    return await this.#open.history.publish(this.#keys.stream(stream), json, except, history)
  }

  listen (stream: string): Promise<Position | null> | null {
    return this.#running?.hearing.listen(stream) ?? null
  }

  unlisten (stream: string): void {
    this.#running?.hearing.unlisten(stream)
  }

  async position (streams: readonly string[]): Promise<Array<Position | null>> {
    return await Promise.all(streams.map(stream => this.#running?.history.position(this.#keys.stream(stream)) ?? null))
  }

  async replay (stream: string, since: Position, upTo: Position): Promise<readonly Broadcast[] | null> {
    return await this.#running?.history.between(this.#keys.stream(stream), since, upTo).catch(() => null) ?? null
  }

  async control (message: string): Promise<void> {
    await this.#open.history.say(0, this.#keys.control, message)
  }

  health (): BackendHealth {
    return this.#running?.health() ?? { ok: false, backend: 'redis' }
  }

  async close (): Promise<void> {
    const running = this.#running
    this.#running = null
    await running?.close()
  }

  get #open (): Running {
    if (this.#running === null) throw new CableUnavailable('it is closed')
    return this.#running
  }
}
