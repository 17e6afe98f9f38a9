// Where one listener stands in each stream of its subscription: tells what is next, what came twice and what is missing. Never delivers.
import type { BroadcastFrame, Position, Positions } from '@fastify-channels/protocol'

/** What to do with a broadcast. */
export type Verdict = 'take' | 'drop' | 'hold'

/** Broadcasts from one position to another; NaN when they are not of the same epoch. */
export function distance (from: Position, to: Position): number {
  const offset = from.lastIndexOf('.') + 1
  return offset === to.lastIndexOf('.') + 1 && from.startsWith(to.slice(0, offset)) ? Number(to.slice(offset)) - Number(from.slice(offset)) : NaN
}

export class Cursor {
  #positions: Map<string, Position | null>
  #held: BroadcastFrame[] = []
  /** Something is missing: true until the next confirmation says that it was replayed, or that it is lost. */
  isBehind = false

  constructor (since: Positions) {
    this.#positions = new Map(Object.entries(since))
  }

  /** Broadcasts that wait. */
  get held (): number {
    return this.#held.length
  }

  get positions (): ReadonlyMap<string, Position | null> {
    return this.#positions
  }

  /** Weighs one broadcast, and moves past it unless it has to wait. */
  weigh (frame: BroadcastFrame): Verdict {
    const { stream, at, ref } = frame
    if (at == null) return 'take'
    const here = this.#positions.get(stream)
    const step = here == null ? 1 : distance(here, at)
    if (step <= 0) return 'drop'
    if (step !== 1 && ref == null) {
      this.#held.push(frame)
      this.isBehind = true
      return 'hold'
    }
    this.#positions.set(stream, at)
    return 'take'
  }

  /** Takes over a set of streams, standing where it stood in those it knew. */
  follow (streams: ReadonlyMap<string, Position | null>): void {
    const known = this.#positions
    this.#positions = new Map()
    for (const [stream, at] of streams) {
      const here = known.get(stream) ?? at
      this.#positions.set(stream, here)
      if (here !== at && at !== null && !(distance(at, here!) >= 0)) this.isBehind = true
    }
  }

  /** Takes over a confirmed set of streams. Returns the broadcasts that waited for it and were not replayed, in order. */
  settle (streams: ReadonlyMap<string, Position | null>): BroadcastFrame[] {
    const known = this.#positions
    const released = this.#held.filter(({ stream, at }) => {
      const here = known.get(stream)
      const isNew = here == null || !(distance(here, at!) <= 0)
      if (isNew) known.set(stream, at!)
      return isNew
    })
    this.#held = []
    this.isBehind = false
    this.#positions = new Map([...streams].map(([stream, at]) => {
      const here = known.get(stream)
      return [stream, here != null && at !== null && distance(at, here) > 0 ? here : at]
    }))
    return released
  }
}
