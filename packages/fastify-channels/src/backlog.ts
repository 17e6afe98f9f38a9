// What a slow connection was not sent yet, and how it gets it after all: from history, in slices, as fast as its peer takes them. Keeps no broadcast itself.
import { distance } from '@fastify-channels/protocol'
import type { Dialect, Position } from '@fastify-channels/protocol'
import type { Broadcast } from './backend.ts'
import { encode } from './frame.ts'
import type { Frame } from './frame.ts'
import { replayText } from './telling.ts'

/** The connection behind it: declared here, implemented by its outlet. */
export interface Straggler {
  readonly dialect: Dialect
  readonly tab: string | null
  readonly isCongested: boolean
  readonly isOpen: boolean
  write: (frame: Frame) => void
  /** Hands what was written to the kernel, so that `isCongested` is true of it. */
  flush: () => void
  /** Whether it hears the stream at all, in that lane if its dialect has several. */
  hears: (stream: string, lane?: string) => boolean
}

/** Where missed broadcasts come from: declared here, implemented by the streams of this process. */
export interface Past {
  position: (stream: string) => Position | null
  replay: (stream: string, since: Position, upTo: Position) => readonly Broadcast[] | null | Promise<readonly Broadcast[] | null>
}

export class Backlog {
  readonly #follower: Straggler
  readonly #past: Past
  readonly #slice: number
  /** Up to where each stream was sent. */
  readonly #behind = new Map<string, Position | null>()
  /** The latest broadcast without history of each stream, by its lanes. */
  readonly #latest = new Map<string, Map<string, Frame>>()
  #isRunning = false

  /** @param slice bytes to write before looking whether the peer still follows */
  constructor (follower: Straggler, past: Past, slice: number) {
    this.#follower = follower
    this.#past = past
    this.#slice = slice
  }

  get isEmpty (): boolean {
    return this.#behind.size === 0 && this.#latest.size === 0
  }

  has (stream: string): boolean {
    return this.#behind.has(stream)
  }

  /** Up to where a stream was sent that it is behind in. */
  leftAt (stream: string): Position | null | undefined {
    return this.#behind.get(stream)
  }

  /** The connection was sent the stream up to `at` and not what follows; of two places the one further back counts. */
  leaveAt (stream: string, at: Position | null): void {
    const known = this.#behind.get(stream)
    if (known === undefined || (known !== null && at !== null && distance(at, known) > 0)) this.#behind.set(stream, at)
  }

  /** A broadcast that history does not keep: of these, only the latest is worth sending late. */
  keepLatest (stream: string, lane: string, frame: Frame): void {
    const lanes = this.#latest.get(stream)
    if (lanes === undefined) this.#latest.set(stream, new Map([[lane, frame]]))
    else lanes.set(lane, frame)
  }

  owesLatest (stream: string): boolean {
    return this.#latest.has(stream)
  }

  /** The stream is heard anew in that lane. */
  begin (stream: string, lane: string): void {
    this.forget(stream)
    const lanes = this.#latest.get(stream)
    if (lanes?.delete(lane) && lanes.size === 0) this.#latest.delete(stream)
  }

  /** Nothing of this stream can be caught up any more. */
  forget (stream: string): void {
    this.#behind.delete(stream)
  }

  clear (): void {
    this.#behind.clear()
    this.#latest.clear()
  }

  /** Sends what was missed until the peer stops following. Never rejects; settles with true when nothing is left. */
  async catchUp (): Promise<boolean> {
    if (this.#isRunning) return false
    this.#isRunning = true
    while (this.#canGoOn) {
      const [stream] = this.#behind.keys()
      if (stream !== undefined) await this.#tell(stream)
      else this.#tellLatest()
    }
    this.#isRunning = false
    return this.isEmpty
  }

  get #canGoOn (): boolean {
    return !this.isEmpty && this.#follower.isOpen && !this.#follower.isCongested
  }

  async #tell (stream: string): Promise<void> {
    const since = this.#behind.get(stream)!
    const upTo = this.#past.position(stream)
    const missed = since === null || upTo === null ? null : await this.#past.replay(stream, since, upTo)
    // Left, lost or left further back meanwhile: then this answer is to an old question.
    if (this.#behind.get(stream) !== since) return
    if (!this.#follower.hears(stream)) return this.forget(stream)
    if (missed === null) this.#tellGap(stream)
    else this.#write(stream, since, missed)
    this.#follower.flush()
  }

  #write (stream: string, since: Position, missed: readonly Broadcast[]): void {
    const { dialect, tab } = this.#follower
    let at = since
    let left = this.#slice
    for (const broadcast of missed) {
      const frame = encode(replayText(dialect, null, stream, broadcast, tab)!)
      this.#follower.write(frame)
      at = broadcast.at!
      if ((left -= frame.length) <= 0) break
    }
    if (at === this.#past.position(stream)) this.forget(stream)
    else this.#behind.set(stream, at)
  }

  #tellGap (stream: string): void {
    const text = this.#follower.dialect.gap(stream, this.#past.position(stream))
    this.forget(stream)
    if (text !== null) this.#follower.write(encode(text))
  }

  #tellLatest (): void {
    for (const [stream, lanes] of this.#latest) {
      for (const [lane, frame] of lanes) if (this.#follower.hears(stream, lane)) this.#follower.write(frame)
    }
    this.#latest.clear()
    this.#follower.flush()
  }
}
