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

  constructor (limits: HeldLimits) {
    this.#limits = limits
  }

  /** One more. False when that is too much. */
  add (stream: string, broadcast: Broadcast): boolean {
    this.#size += broadcast.json.length
    if (this.#waiting.length >= this.#limits.maxHeldBroadcasts || this.#size > this.#limits.maxHeldBytes) return false
    this.#waiting.push({ stream, broadcast })
    return true
  }

  /** Takes out what waits of one stream. */
  take (stream: string): Waiting[] {
    const taken = this.#waiting.filter(waiting => waiting.stream === stream)
    this.#waiting = this.#waiting.filter(waiting => waiting.stream !== stream)
    for (const { broadcast } of taken) this.#size -= broadcast.json.length
    return taken
  }

  /** Takes out everything. */
  takeAll (): Waiting[] {
    const taken = this.#waiting
    this.#waiting = []
    this.#size = 0
    return taken
  }
}
