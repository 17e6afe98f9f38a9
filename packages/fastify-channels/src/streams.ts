// Who in this process listens to which stream: stream → lane → sinks. Encodes once per lane; never sees a socket or a channel.
import type { Dialect, Position } from '@fastify-channels/protocol'
import type { Broadcast } from './backend.ts'
import { encodeDeflated } from './deflate.ts'
import { encode } from './frame.ts'
import type { Frame } from './frame.ts'

/** Whoever takes frames: declared here, implemented by a connection. */
export interface Sink {
  /** The page behind it: what that page's own requests broadcast to the others is not for it. */
  readonly tab: string | null
  /** True when its peer takes deflated frames. */
  readonly isDeflated: boolean
  /** True while its peer does not follow: then it is asked before each broadcast whether it takes it. */
  readonly isSlow: boolean
  write: (frame: Frame) => void
  /** True when it cannot take a broadcast now, and sees to it itself. `before` is where the stream stood until then. */
  misses: (stream: string, lane: string, before: Position | null, at: Position | null, frame: Frame) => boolean
  /** Whatever it missed of the stream is lost for good. */
  forget: (stream: string) => void
}

/** Whoever keeps broadcasts back until it may hear them: a subscription that is not confirmed. */
export interface Holder {
  hold: (stream: string, broadcast: Broadcast) => void
  gap: (stream: string, at: Position | null) => void
}

/** The listeners of a stream that get the identical frame. */
interface Lane {
  readonly dialect: Dialect
  /** What its dialect calls it. */
  readonly name: string
  readonly isDeflated: boolean
  /** How many subscriptions of a sink listen here: with one frame per stream they share it. */
  readonly sinks: Map<Sink, number>
}

interface Stream {
  readonly lanes: Map<string, Lane>
  readonly holders: Set<Holder>
  /** The last position that was delivered here. */
  at: Position | null
}

export class Streams {
  readonly #streams = new Map<string, Stream>()
  readonly #threshold: number | null

  /** @param threshold bytes from which frames are deflated for who takes that; null: none are */
  constructor (threshold: number | null = null) {
    this.#threshold = threshold
  }

  /** How many streams somebody listens to. */
  get size (): number {
    return this.#streams.size
  }

  /** Starts to listen: until `join`, broadcasts go to the holder. */
  hold (name: string, holder: Holder): void {
    this.#stream(name).holders.add(holder)
  }

  /** Ends the holding of `holder`. */
  release (name: string, holder: Holder): void {
    const stream = this.#streams.get(name)
    if (stream?.holders.delete(holder)) this.#tidy(name, stream)
  }

  /** Where a stream stands that was not heard here before. */
  begin (name: string, at: Position | null): void {
    const stream = this.#streams.get(name)
    if (stream !== undefined) stream.at ??= at
  }

  /** From now on `sink` hears the stream in this lane; once more for each subscription of it. */
  join (name: string, dialect: Dialect, lane: string, sink: Sink): void {
    const stream = this.#stream(name)
    const key = laneKey(lane, sink)
    let found = stream.lanes.get(key)
    if (found === undefined) stream.lanes.set(key, found = { dialect, name: lane, isDeflated: sink.isDeflated, sinks: new Map() })
    found.sinks.set(sink, (found.sinks.get(sink) ?? 0) + 1)
  }

  /** Undoes one `join`. */
  leave (name: string, lane: string, sink: Sink): void {
    const stream = this.#streams.get(name)!
    const key = laneKey(lane, sink)
    const found = stream.lanes.get(key)!
    const count = found.sinks.get(sink)!
    if (count > 1) {
      found.sinks.set(sink, count - 1)
      return
    }
    found.sinks.delete(sink)
    if (found.sinks.size === 0) stream.lanes.delete(key)
    this.#tidy(name, stream)
  }

  /** True when `sink` hears the stream in this lane already. */
  hears (name: string, lane: string, sink: Sink): boolean {
    return this.#streams.get(name)?.lanes.get(laneKey(lane, sink))?.sinks.has(sink) ?? false
  }

  /** Where the stream stands here: the last position delivered. */
  position (name: string): Position | null {
    return this.#streams.get(name)?.at ?? null
  }

  /** Hands one broadcast to everybody here: one frame per lane, never per listener. */
  deliver (name: string, broadcast: Broadcast): void {
    const stream = this.#streams.get(name)
    if (stream === undefined) return
    const { at, json, except } = broadcast
    const before = stream.at
    if (at !== null) stream.at = at
    for (const { dialect, name: lane, isDeflated, sinks } of stream.lanes.values()) {
      const text = dialect.broadcast(lane, name, at, json)
      const frame = isDeflated && this.#threshold !== null ? encodeDeflated(text, this.#threshold) : encode(text)
      for (const sink of sinks.keys()) {
        const isExcluded = except !== null && sink.tab === except
        if ((isExcluded && at === null) || (sink.isSlow && sink.misses(name, lane, before, at, frame))) continue
        // The sink's own page knows this broadcast: only its position moves.
        const stamp = isExcluded ? dialect.stamp(name, at!) : null
        sink.write(stamp === null ? frame : encode(stamp))
      }
    }
    for (const holder of stream.holders) holder.hold(name, broadcast)
  }

  /** Tells everybody here that broadcasts were lost for good; the stream goes on after `at`. */
  gap (name: string, at: Position | null): void {
    const stream = this.#streams.get(name)
    if (stream === undefined) return
    stream.at = at
    for (const { dialect, sinks } of stream.lanes.values()) {
      const text = dialect.gap(name, at)
      if (text === null) continue
      const frame = encode(text)
      for (const sink of sinks.keys()) {
        sink.forget(name)
        sink.write(frame)
      }
    }
    for (const holder of stream.holders) holder.gap(name, at)
  }

  #stream (name: string): Stream {
    let stream = this.#streams.get(name)
    if (stream === undefined) this.#streams.set(name, stream = { lanes: new Map(), holders: new Set(), at: null })
    return stream
  }

  #tidy (name: string, stream: Stream): void {
    if (stream.lanes.size === 0 && stream.holders.size === 0) this.#streams.delete(name)
  }
}

/** Who takes deflated frames hears the same in a lane beside. */
function laneKey (lane: string, sink: Sink): string {
  return sink.isDeflated ? `${lane} deflated` : lane
}
