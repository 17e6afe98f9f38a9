// The streams of one subscription: held until it may hear them, then live. Never decides when; never runs the app's code.
import type { Position, Positions } from '@fastify-channels/protocol'
import type { Broadcast, Eventually } from './backend.ts'
import { checkStream } from './cable.ts'
import { isPromise } from './deadline.ts'
import { TooManyStreams } from './errors.ts'
import type { Subscriber } from './follower.ts'
import { encode } from './frame.ts'
import { Held } from './held.ts'
import type { Waiting } from './held.ts'
import { resumeFrom } from './resume.ts'
import type { Asked, Resume } from './resume.ts'
import type { Holder } from './streams.ts'
import { lateText, replayText } from './telling.ts'

export class StreamSet implements Holder {
  readonly #subscriber: Subscriber
  /** Heard live. */
  #live: string[] = []
  /** Held back, each with the position its listening began at. */
  #waiting: Map<string, Eventually<Position | null>> | null = null
  #held: Held | null = null
  #resume: Resume | null = null

  constructor (subscriber: Subscriber) { this.#subscriber = subscriber }

  /** Starts to listen to a stream; twice is once. */
  start (stream: string): void {
    checkStream(stream)
    if (this.#live.includes(stream) || this.#waiting?.has(stream)) return
    const { limits, listening, address, isConfirmed } = this.#subscriber
    if (this.#live.length + (this.#waiting?.size ?? 0) >= limits.maxStreams) throw new TooManyStreams(address.channel, limits.maxStreams)
    const from = listening.hold(stream, this)
    this.#waiting ??= new Map()
    this.#waiting.set(stream, from)
    // Until the confirmation, `ready` is what waits for it; a rejection before that belongs to nobody else.
    if (isConfirmed) this.#openLate(stream, from)
    else if (isPromise(from)) from.then(null, () => {})
  }

  /** Stops listening to a stream; what was held of it is forgotten. */
  stop (stream: string): void {
    const { listening, sink } = this.#subscriber
    if (this.#waiting?.delete(stream)) {
      this.#held?.take(stream)
      listening.release(stream, this)
    } else if (this.#live.includes(stream)) {
      this.#live = this.#live.filter(name => name !== stream)
      listening.leave(stream, this.#lane, sink)
      this.#announce()
    }
  }

  stopAll (): void { for (const stream of [...this.#waiting?.keys() ?? [], ...this.#live]) this.stop(stream) }

  /** Settles when nothing of any stream can pass unheard, and all that the client asked for is looked up. Rejects when a stream could not be started. */
  async ready (asked: Asked): Promise<void> {
    const resume = this.#resume = resumeFrom(asked)
    for (const stream of this.#waiting?.keys() ?? []) {
      let from = this.#waiting!.get(stream)
      while (isPromise(from)) {
        const at = await from
        if (this.#waiting?.get(stream) === from) this.#waiting.set(stream, at)
        from = this.#waiting?.get(stream)
      }
      if (resume.asks(stream) && from !== undefined) await resume.lookUp(this.#subscriber.listening, stream, from)
    }
  }

  /** In one step: what the client missed, the confirmation, all that was held. What its connection was sent already it knows by the position. */
  confirm (): void {
    const { sink, dialect, address, ref, listening } = this.#subscriber
    const [waiting, held, resume] = [[...this.#waiting ?? []] as Array<[string, Position | null]>, this.#held, this.#resume!]
    this.#clear()
    const left = this.#replayAll(waiting.map(([stream]) => stream), resume)
    if (this.#isBehind) for (const [stream, from] of waiting) if (from !== null && !left.has(stream)) left.set(stream, from)
    const positions = Object.fromEntries(waiting.map(([stream, from]) => [stream, left.get(stream) ?? from]))
    // What has no position cannot come twice: where others of its connection heard it, it is told to this one alone.
    const later = held?.takeAll().filter(({ stream, broadcast }) => broadcast.at === null ? !(this.#isHeard(stream) && (sink.owesLatest(stream) || this.#replay(stream, broadcast))) : !left.has(stream))
    sink.write(encode(dialect.confirm(address, ref, positions, resume.recovered)))
    for (const [stream] of waiting) this.#open(stream)
    for (const [stream, since] of left) sink.leaveAt(stream, since)
    this.#flush(later ?? [])
    for (const stream of held?.lost ?? []) if (!left.has(stream)) this.#say(dialect.gap(stream, listening.position(stream)))
  }

  /** Answers once more, for a client that asked twice, or that misses something. */
  async confirmAgain (asked: Asked): Promise<void> {
    const { sink, dialect, address, ref, listening } = this.#subscriber
    const resume = resumeFrom(asked)
    // What is said from here on reaches the client by itself; it waits for what lies before.
    const said = new Map(this.#live.map(stream => [stream, listening.position(stream)]))
    for (const [stream, upTo] of said) if (resume.asks(stream)) await resume.lookUp(listening, stream, upTo)
    if (!this.#subscriber.isConfirmed) return
    const left = this.#replayAll(this.#live, resume)
    const positions = Object.fromEntries(this.#live.map(stream => [stream, left.get(stream) ?? said.get(stream) ?? sink.sentUpTo(stream)]))
    sink.write(encode(dialect.confirm(address, ref, positions, resume.recovered)))
    for (const [stream, since] of left) sink.leaveAt(stream, since)
  }

  /** Leaves every stream without a word. */
  close (): void {
    const { listening, sink } = this.#subscriber
    for (const stream of this.#waiting?.keys() ?? []) listening.release(stream, this)
    for (const stream of this.#live) listening.leave(stream, this.#lane, sink)
    this.#clear()
    this.#live = []
  }

  /** A broadcast to a stream that is not heard live yet. */
  hold (stream: string, broadcast: Broadcast): void { if (!this.#holding.add(stream, broadcast)) this.#subscriber.overflow() }

  /** What is held of a stream is not all there was. */
  gap (stream: string, at: Position | null): void {
    const from = this.#waiting?.get(stream)
    if (from === undefined) return
    // Told with the confirmation. Who has no place yet, or is confirmed already, begins after the gap.
    if (from !== null && !this.#subscriber.isConfirmed) return this.#holding.lose(stream)
    this.#held?.take(stream)
    const after = isPromise(from) ? from.then(() => at) : at
    this.#waiting!.set(stream, after)
    if (this.#subscriber.isConfirmed) this.#openLate(stream, after)
  }

  /** A stream started after the confirmation: the client is told of it before it hears it. */
  #openLate (stream: string, from: Eventually<Position | null>): void {
    if (isPromise(from)) {
      const isCurrent = () => this.#waiting?.get(stream) === from
      from.then(at => { if (isCurrent()) this.#openLate(stream, at) }, error => {
        this.#subscriber.log.error({ err: error, stream }, 'a stream could not be started')
        if (isCurrent()) this.stop(stream)
      })
      return
    }
    const held = this.#held?.take(stream) ?? []
    this.#waiting?.delete(stream)
    const isLeft = from !== null && this.#isBehind
    const later = held.filter(({ broadcast }) => broadcast.at === null ? !this.#isHeard(stream) : !isLeft)
    this.#open(stream)
    this.#announce({ [stream]: from })
    if (isLeft) this.#subscriber.sink.leaveAt(stream, from)
    this.#flush(later)
  }

  /** Tells the client what it missed. More than its connection takes at once is left where it stands, and caught up later: returns those places. */
  #replayAll (streams: readonly string[], resume: Resume): Map<string, Position> {
    const isTooMuch = resume.size > this.#subscriber.sink.room
    const left = new Map<string, Position>()
    for (const stream of streams) {
      const missed = resume.missed(stream)
      if (isTooMuch && missed.length > 0) left.set(stream, resume.since(stream)!)
      else for (const broadcast of missed) this.#replay(stream, broadcast)
    }
    return left
  }

  #open (stream: string): void {
    const { listening, sink, dialect } = this.#subscriber
    if (!this.#isHeard(stream)) sink.begin(stream, this.#lane)
    // A list of its very length: most hold one stream for hours.
    this.#live = [...this.#live, stream]
    listening.join(stream, this, dialect, this.#lane, sink)
  }

  #clear (): void {
    this.#waiting = this.#held = this.#resume = null
  }

  /** Its connection does not follow: what is held comes from history, when its turn comes. */
  get #isBehind (): boolean { return this.#subscriber.sink.isSlow && this.#subscriber.dialect.isStamped }
  get #holding (): Held { return (this.#held ??= new Held(this.#subscriber.limits)) }

  /** True when the connection hears this stream already, for another subscription, in frames both share. */
  #isHeard (stream: string): boolean { return this.#subscriber.listening.hears(stream, this.#lane, this.#subscriber.sink) }

  /** Tells a broadcast to this subscription alone. False where the dialect has no word for that. */
  #replay (stream: string, broadcast: Broadcast): boolean {
    const { sink, dialect, ref } = this.#subscriber
    return this.#say(replayText(dialect, ref, stream, broadcast, sink.tab))
  }

  #flush (later: readonly Waiting[]): void {
    const { sink, dialect } = this.#subscriber
    for (const { stream, broadcast } of later) this.#say(lateText(dialect, this.#lane, stream, broadcast, sink.tab))
  }

  #announce (known: Positions = {}): void {
    const { sink, dialect, address, isConfirmed } = this.#subscriber
    const positions = Object.fromEntries(this.#live.map(stream => [stream, sink.sentUpTo(stream)]))
    if (isConfirmed) this.#say(dialect.streams(address, { ...positions, ...known }))
  }

  #say (text: string | null): boolean {
    if (text !== null) this.#subscriber.sink.write(encode(text))
    return text !== null
  }

  get #lane (): string { return this.#subscriber.dialect.lane(this.#subscriber.address) }
}
