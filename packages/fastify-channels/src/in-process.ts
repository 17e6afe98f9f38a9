// The backend of a single process: a broadcast is delivered where it was made. Reaches nobody else.
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, BackendHost, CableBackend, PublishOptions } from './backend.ts'
import { CableUnavailable } from './errors.ts'

/** The cable's default backend (guide §12: `Cable`). Correct and fast as long as every browser is connected to this process. */
export class InProcessBackend implements CableBackend {
  // Positions of this process mean nothing to the next one: its epoch tells them apart.
  readonly #epoch = Math.random().toString(36).slice(2, 8)
  readonly #offsets = new Map<string, number>()
  #host: BackendHost | null = null

  open (host: BackendHost): void {
    this.#host = host
  }

  publish (stream: string, json: string, { history = true }: PublishOptions): Position | null {
    if (this.#host === null) throw new CableUnavailable('it is closed')
    if (history) this.#offsets.set(stream, (this.#offsets.get(stream) ?? 0) + 1)
    const at = history ? this.#position(stream) : null
    this.#host.deliver(stream, at, json)
    return at
  }

  listen (stream: string): Position {
    return this.#position(stream)
  }

  unlisten (): void {}

  control (message: string): void {
    this.#host?.control(message)
  }

  health (): BackendHealth {
    return { ok: this.#host !== null, backend: 'in-process' }
  }

  close (): void {
    this.#host = null
  }

  #position (stream: string): Position {
    return `${this.#epoch}.${this.#offsets.get(stream) ?? 0}`
  }
}
