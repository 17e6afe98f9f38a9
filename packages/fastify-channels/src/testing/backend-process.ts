// One process as a backend's check sees it: opens the backend, and remembers all that came back in.
import { setTimeout as pause } from 'node:timers/promises'
import fastify from 'fastify'
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, Broadcast, CableBackend, Eventually, Retention } from '../backend.ts'

export class Process {
  /** Every broadcast by its stream. */
  readonly streams = new Map<string, Broadcast[]>()
  readonly controls: string[] = []
  readonly gaps: Array<readonly [stream: string, at: Position | null]> = []
  readonly #backend: CableBackend
  readonly #patience: number

  private constructor (backend: CableBackend, patience: number) {
    this.#backend = backend
    this.#patience = patience
  }

  /** @param patience how long a fact may take to come true, in milliseconds */
  static async open (backend: CableBackend, patience: number): Promise<Process> {
    const process = new Process(backend, patience)
    const app = fastify()
    await backend.open({
      app,
      log: app.log,
      deliver: (stream, broadcast) => {
        const heard = process.streams.get(stream)
        if (heard === undefined) process.streams.set(stream, [broadcast])
        else heard.push(broadcast)
      },
      control: message => process.controls.push(message),
      gap: (stream, at) => process.gaps.push([stream, at])
    })
    return process
  }

  heard (stream: string): readonly Broadcast[] {
    return this.streams.get(stream) ?? []
  }

  /** Waits until so many broadcasts of a stream were heard. */
  async hears (stream: string, count: number): Promise<void> {
    await this.until(() => this.heard(stream).length >= count, () => `${count} broadcasts of ${JSON.stringify(stream)}; there were ${this.heard(stream).length}`)
  }

  /** Waits for a fact. */
  async until (isSo: () => Eventually<boolean>, what: string | (() => string)): Promise<void> {
    const deadline = performance.now() + this.#patience
    while (!await isSo()) {
      if (performance.now() > deadline) throw new Error(`waited ${this.#patience} ms for ${typeof what === 'string' ? what : what()}`)
      await pause(1)
    }
  }

  async publish (stream: string, json: string, history: Retention | null, except: string | null = null): Promise<Position | null> {
    return await this.#backend.publish(stream, json, { history, except })
  }

  async listen (stream: string): Promise<Position | null> {
    return await this.#backend.listen(stream)
  }

  async unlisten (stream: string): Promise<void> {
    await this.#backend.unlisten(stream)
  }

  async position (streams: readonly string[]): Promise<ReadonlyArray<Position | null>> {
    return await this.#backend.position(streams)
  }

  async replay (stream: string, since: Position, upTo: Position): Promise<readonly Broadcast[] | null> {
    return await this.#backend.replay(stream, since, upTo)
  }

  async control (message: string): Promise<void> {
    await this.#backend.control(message)
  }

  health (): BackendHealth {
    return this.#backend.health()
  }

  async close (): Promise<void> {
    await this.#backend.close()
  }
}
