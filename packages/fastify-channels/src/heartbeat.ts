// All connections on one wheel, so that one timer notices the peers that vanished without a word. Closes nothing that answers.
import type { Connection } from './connection.ts'

/** Seconds between two pings of one connection. */
const INTERVAL = 15

/** A wheel with one slot per second: each connection is pinged when its slot comes by. */
export class Heartbeat {
  readonly #slots: Array<Set<Connection>> = Array.from({ length: INTERVAL }, () => new Set())
  #second = 0
  #timer: NodeJS.Timeout | null = null
  #size = 0

  /** How many there are. */
  get size (): number {
    return this.#size
  }

  * [Symbol.iterator] (): Iterator<Connection> {
    for (const slot of this.#slots) yield * slot
  }

  add (connection: Connection): void {
    // The slot that was passed last comes by last: a new connection has a whole interval to say something.
    const slot = this.#slots[this.#second]!
    slot.add(connection)
    connection.beat = slot
    this.#size++
    this.#timer ??= setInterval(() => this.#tick(), 1000).unref()
  }

  /** False for one that is not there. */
  remove (connection: Connection): boolean {
    if (!connection.beat?.delete(connection)) return false
    if (--this.#size === 0) {
      clearInterval(this.#timer!)
      this.#timer = null
    }
    return true
  }

  #tick (): void {
    // Who has not answered two pings, a second after the second one, is gone.
    for (const connection of this.#slots[this.#second]!) if (connection.missed >= 2) connection.terminate()
    this.#second = (this.#second + 1) % INTERVAL
    for (const connection of this.#slots[this.#second]!) connection.ping()
  }
}
