// All connections on one wheel, so that one timer notices the peers that vanished without a word. Closes nothing that answers.
import type { Connection } from './connection.ts'

/** Seconds between two pings of one connection. */
const INTERVAL = 15

/** A wheel with one slot per second: each connection is pinged when its slot comes by. */
/** A crowd that comes back within a second is none. */
const CROWD = 1000

export class Heartbeat {
  readonly #spreadOf: (size: number) => number
  readonly #slots: Array<Set<Connection>> = Array.from({ length: INTERVAL }, () => new Set())
  #second = 0
  #timer: NodeJS.Timeout | null = null
  #size = 0

  /** @param spreadOf over how many milliseconds so many clients should come back that lose us at once */
  constructor (spreadOf: (size: number) => number) {
    this.#spreadOf = spreadOf
  }

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
    // Whoever comes into a crowd knows it before the first beat.
    if (this.#spread > 0) connection.tellCrowd(this.#spread)
    this.#timer ??= setInterval(() => this.#tick(), 1000).unref()
  }

  /** Forgets one that was added; a socket ends once. */
  remove (connection: Connection): void {
    connection.beat!.delete(connection)
    if (--this.#size > 0) return
    clearInterval(this.#timer!)
    this.#timer = null
  }

  #tick (): void {
    // Who has not answered two pings, a second after the second one, is gone.
    for (const connection of this.#slots[this.#second]!) if (connection.missed >= 2) connection.terminate()
    this.#second = (this.#second + 1) % INTERVAL
    const spread = this.#spread
    for (const connection of this.#slots[this.#second]!) connection.ping(spread)
  }

  /** Over how many milliseconds the clients should come back; 0: they are no crowd. */
  get #spread (): number {
    const spread = this.#spreadOf(this.#size)
    return spread > CROWD ? spread : 0
  }
}
