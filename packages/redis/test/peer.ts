// A process of an app as the tests see it: a backend, and all that came back in, in order. Judges what it heard.
import fastify from 'fastify'
import { parsePosition } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, BackendHost, Broadcast, CableBackend, Retention } from 'fastify-channels'
import { redisCable } from '../src/index.ts'
import type { RedisCableOptions } from '../src/index.ts'
import { until } from './servers.ts'

/** What happened on a stream. */
export type Event = { readonly broadcast: Broadcast } | { readonly gap: Position | null }

export const kept: Retention = { size: 128, ttl: 60_000 }

export class Peer {
  readonly backend: CableBackend
  readonly controls: string[] = []
  readonly logged: Array<{ readonly level: string, readonly text: string }> = []
  readonly #events = new Map<string, Event[]>()
  readonly #since = new Map<string, Position | null>()

  constructor (backend: CableBackend) {
    this.backend = backend
  }

  static async open (options: RedisCableOptions): Promise<Peer> {
    const peer = new Peer(redisCable(options))
    await peer.open()
    return peer
  }

  async open (): Promise<void> {
    const write = (level: string) => (_details: unknown, text: string) => { this.logged.push({ level, text }) }
    const host = {
      app: fastify(),
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      deliver: (stream: string, broadcast: Broadcast) => this.#write(stream, { broadcast }),
      control: (message: string) => this.controls.push(message),
      gap: (stream: string, at: Position | null) => this.#write(stream, { gap: at })
    }
    await this.backend.open(host as unknown as BackendHost)
  }

  async listen (stream: string): Promise<Position | null> {
    const since = await this.backend.listen(stream)
    this.#since.set(stream, since)
    return since
  }

  async publish (stream: string, data: unknown, history: Retention | null = kept): Promise<Position | null> {
    return await this.backend.publish(stream, JSON.stringify(data), { history, except: null })
  }

  events (stream: string): readonly Event[] {
    return this.#events.get(stream) ?? []
  }

  /** The payloads heard, in order. */
  heard (stream: string): unknown[] {
    return this.events(stream).flatMap(event => 'broadcast' in event ? [JSON.parse(event.broadcast.json)] : [])
  }

  gaps (stream: string): Array<Position | null> {
    return this.events(stream).flatMap(event => 'gap' in event ? [event.gap] : [])
  }

  async hears (stream: string, count: number): Promise<void> {
    await until(() => this.heard(stream).length >= count)
  }

  /** Waits until this comes, which was said last. */
  async hearsOf (stream: string, data: unknown): Promise<void> {
    await until(() => this.heard(stream).includes(data))
  }

  /** What is wrong with what was heard of a stream: a hole without a gap, something twice, something before its turn. */
  faults (stream: string): string[] {
    const faults: string[] = []
    let at = this.#since.get(stream) ?? null
    for (const event of this.events(stream)) {
      if ('gap' in event) {
        at = event.gap
        continue
      }
      const to = event.broadcast.at
      const [from, place] = [parsePosition(at), parsePosition(to)]
      if (place === null) continue
      if (from === null || from.epoch !== place.epoch || from.offset + 1 !== place.offset) faults.push(`${to} came after ${at}`)
      at = to
    }
    return faults
  }

  health (): BackendHealth {
    return this.backend.health()
  }

  /** Waits until all is well. */
  async well (): Promise<void> {
    await until(() => this.health().ok)
  }

  async close (): Promise<void> {
    await this.backend.close()
  }

  #write (stream: string, event: Event): void {
    const events = this.#events.get(stream)
    if (events === undefined) this.#events.set(stream, [event])
    else events.push(event)
  }
}
