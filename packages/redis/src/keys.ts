// What everything of an app is called in Redis. Two apps, or two streams, never share a name: the first `{` of a name ends the prefix.
import { crc16 } from './crc16.ts'

/** How many parts the streams of an app fall into; a part lives on one node of a cluster. */
export const PARTS = 64
const SLOTS = 16384

/** The names of one stream. All of them carry one hash tag, so that one script may touch them; the stream's own name follows verbatim. */
export interface StreamKeys {
  readonly part: number
  /** Where its broadcasts are published. */
  readonly channel: string
  /** A hash of its epoch and last offset. */
  readonly meta: string
  /** A list of its last envelopes. */
  readonly history: string
  /** The epoch of streams of this part that have none of their own yet. */
  readonly epoch: string
}

export class Keys {
  readonly #prefix: string

  constructor (prefix: string) {
    this.#prefix = prefix
  }

  stream (name: string): StreamKeys {
    const part = crc16(name) % PARTS
    return {
      part,
      channel: this.#name(part, 's', name),
      meta: this.#name(part, 'm', name),
      history: this.#name(part, 'h', name),
      epoch: this.#name(part, 'e', '')
    }
  }

  /** Where messages to every process are published: in the first part. */
  get control (): string {
    return this.#name(0, 'c', '')
  }

  /** Where a process says something to itself. */
  probe (part: number, id: string): string {
    return this.#name(part, 'q', id)
  }

  #name (part: number, kind: string, rest: string): string {
    return `${this.#prefix}{p${part}}${kind}:${rest}`
  }
}

/** The cluster slot of a part: that of its hash tag. */
export function slotOf (part: number): number {
  return crc16(`p${part}`) % SLOTS
}
