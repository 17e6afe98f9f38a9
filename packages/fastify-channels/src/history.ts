// The last broadcasts of every stream, and where each stream stands: one memory for all, within one budget. Delivers nothing, and tells no part of what is gone.
import { randomBytes } from 'node:crypto'
import { distance } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { Broadcast, Retention } from './backend.ts'

/** What one stream keeps. */
interface Track {
  readonly epoch: string
  /** The offset of its last broadcast. */
  offset: number
  readonly kept: Kept[]
  /** When its last broadcast expires. */
  expiresAt: number
  isListenedTo: boolean
}

interface Kept {
  readonly broadcast: Broadcast
  readonly expiresAt: number
  readonly bytes: number
}

/** What a kept broadcast costs beside its text. */
const OVERHEAD = 128
/** How long a stream's offset outlives its last broadcast: a client that comes back later is told of a gap. */
const REMEMBERED = 24 * 60 * 60 * 1000
/** How long an epoch lasts at least: whoever stands in a stream that never spoke is told of a gap where it ends. */
const EPOCH = 60 * 60 * 1000

export class History {
  readonly #budget: number
  readonly #now: () => number
  readonly #tracks = new Map<string, Track>()
  /** Those that keep something; the one that spoke last comes last. */
  readonly #keeping = new Set<Track>()
  #epoch = newEpoch()
  #epochBegan: number
  #bytes = 0

  /** @param budget bytes for all streams together */
  constructor (budget: number, now: () => number = Date.now) {
    this.#budget = budget
    this.#now = now
    this.#epochBegan = now()
  }

  /** Bytes kept, by estimate. */
  get bytes (): number {
    return this.#bytes
  }

  /** Streams it knows. */
  get size (): number {
    return this.#tracks.size
  }

  /** Keeps one more broadcast of a stream. */
  append (stream: string, json: string, except: string | null, { size, ttl }: Retention): Broadcast {
    const track = this.#tracks.get(stream) ?? this.#begin(stream)
    // Taken out and put back, so that the set stays in the order of the last word.
    this.#keeping.delete(track)
    this.#keeping.add(track)
    const now = this.#now()
    const broadcast = { at: `${track.epoch}.${++track.offset}`, json, except }
    // Two bytes a character at most, as the engine stores text.
    const bytes = 2 * json.length + OVERHEAD
    track.expiresAt = now + ttl
    track.kept.push({ broadcast, expiresAt: track.expiresAt, bytes })
    this.#bytes += bytes
    while (track.kept.length > size || (track.kept.length > 0 && track.kept[0]!.expiresAt <= now)) this.#drop(track)
    if (this.#bytes > this.#budget) this.#squeeze()
    return broadcast
  }

  /** Where a stream stands. One that never spoke stands at 0, and costs nothing. */
  position (stream: string): Position {
    const track = this.#tracks.get(stream)
    return track === undefined ? `${this.#epoch}.0` : `${track.epoch}.${track.offset}`
  }

  /** Somebody listens: its epoch stays as long. */
  listen (stream: string): Position {
    const track = this.#tracks.get(stream) ?? this.#begin(stream)
    track.isListenedTo = true
    return `${track.epoch}.${track.offset}`
  }

  unlisten (stream: string): void {
    const track = this.#tracks.get(stream)
    if (track === undefined) return
    track.isListenedTo = false
    if (track.offset === 0) this.#tracks.delete(stream)
  }

  /** The broadcasts after `since` up to `upTo`, all of them; null where one is missing. */
  replay (stream: string, since: Position, upTo: Position): readonly Broadcast[] | null {
    const missing = distance(since, upTo)
    if (missing === 0) return []
    const track = this.#tracks.get(stream)
    if (track === undefined || !(missing > 0)) return null
    const newer = distance(upTo, `${track.epoch}.${track.offset}`)
    const end = track.kept.length - newer
    const begin = end - missing
    if (!(newer >= 0 && begin >= 0) || track.kept[begin]!.expiresAt <= this.#now()) return null
    return track.kept.slice(begin, end).map(({ broadcast }) => broadcast)
  }

  /** Lets go of what is too old; called now and then. */
  sweep (): void {
    const now = this.#now()
    const isForgetful = now - this.#epochBegan >= EPOCH
    const before = this.#tracks.size
    for (const [stream, track] of this.#tracks) {
      while (track.kept.length > 0 && track.kept[0]!.expiresAt <= now) this.#drop(track)
      if (isForgetful && !track.isListenedTo && track.expiresAt + REMEMBERED <= now) this.#tracks.delete(stream)
    }
    if (this.#tracks.size === before) return
    // What begins anew must not look like what was forgotten.
    this.#epoch = newEpoch()
    this.#epochBegan = now
  }

  #begin (stream: string): Track {
    const track = { epoch: this.#epoch, offset: 0, kept: [], expiresAt: this.#now(), isListenedTo: false }
    this.#tracks.set(stream, track)
    return track
  }

  #drop (track: Track): void {
    this.#bytes -= track.kept.shift()!.bytes
    if (track.kept.length === 0) this.#keeping.delete(track)
  }

  /** Over the budget, the streams that were silent longest forget first. */
  #squeeze (): void {
    for (const track of this.#keeping) {
      while (track.kept.length > 0) {
        if (this.#bytes <= this.#budget) return
        this.#drop(track)
      }
    }
  }
}

function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}
