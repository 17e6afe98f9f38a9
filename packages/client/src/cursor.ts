// Where one listener stands in each stream of its subscription: hands on what is next, drops what came twice, knows what is missing.
import { distance } from '@fastify-channels/protocol'
import type { BroadcastFrame, Position } from '@fastify-channels/protocol'

/** Streams and a place in each; null in a stream without positions. */
export type Places = ReadonlyMap<string, Position | null>

/** True when who stands `here` has all up to `at`. */
export function isPast (here: Position | null | undefined, at: Position): boolean {
  return here != null && distance(at, here) >= 0
}

export class Cursor {
  #places: Map<string, Position | null>
  readonly #deliver: (data: unknown) => void
  /** Broadcasts that wait for missing ones. */
  #held: BroadcastFrame[] = []

  constructor (since: { readonly [stream: string]: Position | null }, deliver: (data: unknown) => void) {
    this.#places = new Map(Object.entries(since))
    this.#deliver = deliver
  }

  get places (): Places {
    return this.#places
  }

  /** Hands one broadcast on in its turn. Returns how many wait for missing ones, this one among them; 0 when it does not wait. */
  hear (frame: BroadcastFrame): number {
    const isNext = this.#weigh(frame)
    if (isNext === null) return this.#held.push(frame)
    if (isNext) this.#handOn(frame)
    return 0
  }

  /** Takes over a set of streams, standing where it stood in those it knew. Returns true when it is behind in one. */
  follow (streams: Places): boolean {
    const known = this.#places
    this.#places = new Map()
    let isBehind = false
    for (const [stream, at] of streams) {
      const here = known.get(stream) ?? at
      this.#places.set(stream, here)
      isBehind ||= at !== null && !isPast(here, at)
    }
    return isBehind
  }

  /**
   * Takes over a confirmed set of streams; what is missing now does not come any more. `recovered` is what the server said.
   * Returns true when all that was missed has come, false when some never will, null when nothing could be missed.
   */
  settle (streams: Places, recovered: boolean | null): boolean | null {
    // What still does not fit is sent again, or lost.
    const frames = this.#held.filter(frame => this.#weigh(frame))
    this.#held = []
    const known = this.#places
    let outcome: boolean | null = null
    this.#places = new Map()
    for (let [stream, at] of streams) {
      const here = known.get(stream)
      if (here != null) {
        // Where nothing is lost, one who is ahead of the confirmation stays there: it was asked for by another one, further back.
        if (recovered !== false && at !== null && isPast(here, at)) at = here
        if (at === null ? recovered === false : at !== here) outcome = false
        else if (recovered !== null) outcome ??= true
      }
      this.#places.set(stream, at)
    }
    // Everything or nothing: who lost some starts from where the stream is now.
    if (outcome !== false) for (const frame of frames) this.#handOn(frame)
    return outcome
  }

  /** Goes on from `at`, whatever is missing before it. Returns false when nothing is. */
  jump (stream: string, at: Position | null): boolean {
    if (this.#places.get(stream) === at) return false
    this.#places.set(stream, at)
    return true
  }

  /** Moves past a broadcast that is next: true. False: it has it already. Null: it has to wait. */
  #weigh (frame: BroadcastFrame): boolean | null {
    const { stream, at, ref } = frame
    if (at == null) return true
    const here = this.#places.get(stream)
    // A replay is for those who asked for it: this one came later, or never stood in the stream.
    if (isPast(here, at) || (here == null && ref != null)) return false
    if (here != null && distance(here, at) !== 1) return null
    this.#places.set(stream, at)
    return true
  }

  #handOn (frame: BroadcastFrame): void {
    // Without data: this tab was left out of the broadcast, and only moves on (PROTOCOL §4).
    if ('data' in frame) this.#deliver(frame.data)
  }
}
