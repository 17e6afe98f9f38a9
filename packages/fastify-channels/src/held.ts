// Broadcasts that wait for a confirmation: in order, and never more than a stranger may make us hold.
import type { Broadcast } from './backend.ts'

/** A broadcast that waits, and its stream. */
export interface Waiting {
  readonly stream: string
  readonly broadcast: Broadcast
}

/** How much may wait. */
export interface HeldLimits {
  readonly maxHeldBroadcasts: number
  readonly maxHeldBytes: number
}

export class Held {
  readonly #limits: HeldLimits
  #waiting: Waiting[] = []
  #size = 0
  /** Streams of which something is lost that should have waited. */
  readonly lost = new Set<string>()

  constructor (limits: HeldLimits) {
    this.#limits = limits
  }

  /** One more. False when that is too much. */
  add (stream: string, broadcast: Broadcast): boolean {
    // Who is told of a gap goes on after it.
    if (broadcast.at !== null && this.lost.has(stream)) return true
    this.#size += broadcast.json.length
    if (this.#waiting.length >= this.#limits.maxHeldBroadcasts || this.#size > this.#limits.maxHeldBytes) return false
    this.#waiting.push({ stream, broadcast })
    return true
  }

  /** Takes out what waits of one stream. */
  take (stream: string): Waiting[] {
    this.lost.delete(stream)
    return this.#take(waiting => waiting.stream === stream)
  }

  /** Something of a stream is lost: what has a position in it waits no more. */
  lose (stream: string): void {
    this.lost.add(stream)
    this.#take(({ stream: name, broadcast }) => name === stream && broadcast.at !== null)
  }

  /** Takes out everything. */
  takeAll (): Waiting[] {
    const taken = this.#waiting
    this.#waiting = []
    this.#size = 0
    return taken
  }

  #take (isWanted: (waiting: Waiting) => boolean): Waiting[] {
    const taken = this.#waiting.filter(isWanted)
    this.#waiting = this.#waiting.filter(waiting => !isWanted(waiting))
    for (const { broadcast } of taken) this.#size -= broadcast.json.length
    return taken
  }
}
