// Notices peers that vanished without a word: one timer for all connections, spread over the interval. Closes nothing that answers.
import type { Connection } from './connection.ts'

/** Seconds between two pings of one connection. */
const INTERVAL = 15

/** A wheel with one slot per second: each connection is pinged when its slot comes by. */
export class Heartbeat {
  readonly #slots: Array<Set<Connection>> = Array.from({ length: INTERVAL }, () => new Set())
  readonly #slotOf = new WeakMap<Connection, Set<Connection>>()
  #second = 0
  #timer: NodeJS.Timeout | null = null
  #size = 0

  add (connection: Connection): void {
    // The slot that was passed last comes by last: a new connection has a whole interval to say something.
    const slot = this.#slots[this.#second]!
    slot.add(connection)
    this.#slotOf.set(connection, slot)
    this.#size++
    this.#timer ??= setInterval(() => this.#tick(), 1000).unref()
  }

  remove (connection: Connection): void {
    if (!this.#slotOf.get(connection)?.delete(connection) || --this.#size > 0) return
    clearInterval(this.#timer!)
    this.#timer = null
  }

  #tick (): void {
    // Who has not answered two pings, a second after the second one, is gone.
    for (const connection of this.#slots[this.#second]!) if (connection.missed >= 2) connection.terminate()
    this.#second = (this.#second + 1) % INTERVAL
    for (const connection of this.#slots[this.#second]!) connection.ping()
  }
}
