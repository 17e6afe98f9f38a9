// All connections of this process, and those of each user. Never looks inside one.
import type { DisconnectMessage } from './cable.ts'
import type { Connection } from './connection.ts'

export class Connections {
  readonly #all = new Set<Connection>()
  readonly #byUser = new Map<string, Set<Connection>>()
  readonly #ending = new Set<Promise<void>>()
  #emptied: (() => void) | null = null

  get size (): number {
    return this.#all.size
  }

  [Symbol.iterator] (): Iterator<Connection> {
    return this.#all.values()
  }

  add (connection: Connection): void {
    this.#all.add(connection)
    const { userId } = connection
    if (userId === null) return
    let own = this.#byUser.get(userId)
    if (own === undefined) this.#byUser.set(userId, own = new Set())
    own.add(connection)
  }

  /** The socket of a connection is closed: its subscriptions end. */
  remove (connection: Connection): void {
    if (!this.#all.delete(connection)) return
    const own = connection.userId === null ? undefined : this.#byUser.get(connection.userId)
    own?.delete(connection)
    if (own?.size === 0) this.#byUser.delete(connection.userId!)
    const ending = connection.closed().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    if (this.#all.size === 0) this.#emptied?.()
  }

  /** Settles when everything that has ended so far is done, every `unsubscribed()` included. */
  async ended (): Promise<void> {
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }

  /** Ends the connections of one user. */
  disconnect ({ userId, reconnect }: DisconnectMessage): void {
    for (const connection of this.#byUser.get(userId) ?? []) connection.disconnect(reconnect ? 'reauthorize' : 'unauthorized', reconnect)
  }

  /** Sends everybody away because the server stops; who has not gone after `grace` milliseconds is cut off. */
  async close (grace: number): Promise<void> {
    if (this.#all.size > 0) {
      const empty = new Promise<void>(resolve => { this.#emptied = resolve })
      for (const connection of this.#all) connection.restart(Math.round(Math.random() * Math.min(10_000, this.#all.size * 2)))
      const deadline = setTimeout(() => { for (const connection of this.#all) connection.terminate() }, grace)
      await empty
      clearTimeout(deadline)
    }
    await this.ended()
  }
}
