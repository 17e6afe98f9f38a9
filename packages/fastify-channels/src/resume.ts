// What a client that comes back missed of a subscription's streams: all of it, or the word that it is lost. Never a part.
import type { Position } from '@fastify-channels/protocol'
import type { Broadcast } from './backend.ts'
import type { Past } from './backlog.ts'

/** Where a client says it stands. Untrusted: looked up only for streams that the channel itself opened. */
export type Asked = ReadonlyMap<string, Position> | null

export class Resume {
  readonly #asked: ReadonlyMap<string, Position>
  readonly #missed = new Map<string, readonly Broadcast[] | null>()

  constructor (asked: ReadonlyMap<string, Position>) {
    this.#asked = asked
  }

  /** True when the client said where it stands in a stream. */
  asks (stream: string): boolean {
    return this.#asked.has(stream)
  }

  /** Where it stands. */
  since (stream: string): Position | undefined {
    return this.#asked.get(stream)
  }

  /** Looks up what was said in a stream that the client asks for after its place, up to `upTo`: once more where it begins anew meanwhile. */
  async lookUp (past: Past, stream: string, upTo: Position | null): Promise<void> {
    this.#missed.set(stream, upTo === null ? null : await past.replay(stream, this.#asked.get(stream)!, upTo))
  }

  /** True when everything asked for is there; null when nothing was asked. */
  get recovered (): boolean | null {
    return this.#missed.size === 0 ? null : ![...this.#missed.values()].includes(null)
  }

  /** What to tell of a stream. */
  missed (stream: string): readonly Broadcast[] {
    return this.recovered === true ? this.#missed.get(stream) ?? [] : []
  }

  /** Characters of all that is to be told. */
  get size (): number {
    let size = 0
    for (const stream of this.#missed.keys()) for (const { json } of this.missed(stream)) size += json.length
    return size
  }
}

// Most subscriptions ask for nothing, and what asks for nothing never changes.
const nothing = new Resume(new Map())

/** What a client asks for. */
export function resumeFrom (asked: Asked): Resume {
  return asked === null ? nothing : new Resume(asked)
}
