// One stream as this process hears it: puts what arrives in order, and says what is missing. Asks nobody for anything itself.
import type { Position } from '@fastify-channels/protocol'
import { parsePosition } from '@fastify-channels/protocol'
import type { Broadcast } from 'fastify-channels'
import type { Envelope } from './envelope.ts'
import type { StreamKeys } from './keys.ts'
import type { Subscriber } from './subscriber.ts'

/** A place in a stream, taken apart. */
export interface Place {
  readonly epoch: string
  readonly offset: number
}

/** What Redis says about a stream: where it stands, and all that came after the place asked about, or null where not all is there. */
export interface Reading {
  readonly at: Place
  readonly missed: readonly Envelope[] | null
}

/** What becomes of it. */
export interface HeardEvents {
  readonly deliver: (stream: string, broadcast: Broadcast) => void
  readonly gap: (stream: string, at: Position) => void
  /** Broadcasts are missing: a reading is needed. */
  readonly hole: (heard: Heard) => void
}

/** Broadcasts that wait for a reading; over it, what is missing is given up. */
const MAX_WAITING = 1000

export class Heard {
  readonly stream: string
  readonly keys: StreamKeys
  /** The connection on which it is subscribed, or about to be; null where there is none. */
  on: Subscriber | null = null
  /** Counts its beginnings and ends, so that an answer to an older question is known as one. */
  turn = 0
  readonly #events: HeardEvents
  #at: Place | null = null
  /** The envelope that stands at `#at`. */
  #id: string | null = null
  /** The last offset that came over this subscription: it never repeats itself, so one that does went back. */
  #arrived = 0
  /** What came while a reading is under way; null: everything passes. */
  #waiting: Envelope[] | null = []
  #settle: ((at: Position | null) => void) | null = null
  #isClosed = false

  constructor (stream: string, keys: StreamKeys, events: HeardEvents) {
    this.stream = stream
    this.keys = keys
    this.#events = events
  }

  get channel (): string {
    return this.keys.channel
  }

  get part (): number {
    return this.keys.part
  }

  /** Where it stands here, and the id of what stands there. */
  get at (): Place | null {
    return this.#at
  }

  get id (): string | null {
    return this.#id
  }

  /** Settles with the position from which it hears everything; with null where that is not known in time. */
  ready (): Promise<Position | null> {
    return new Promise(resolve => { this.#settle = resolve })
  }

  /** Its subscription begins: what arrives waits until a reading has told where it stands. */
  begin (subscriber: Subscriber): void {
    this.turn++
    this.on = subscriber
    this.#arrived = 0
    this.#waiting ??= []
  }

  /** Its subscription ended with the connection. */
  end (): void {
    this.turn++
    this.on = null
    this.giveUp()
  }

  /** Nobody waits any longer: the position is told as a gap, once it is known. */
  giveUp (): void {
    this.#settle?.(null)
    this.#settle = null
  }

  /** Nobody listens to it here any more. */
  close (): void {
    this.turn++
    this.#isClosed = true
    this.giveUp()
  }

  /** A message of its channel. */
  arrive (envelope: Envelope): void {
    if (this.#waiting === null) {
      this.#take(envelope)
    } else if (this.#waiting.push(envelope) > MAX_WAITING) {
      this.#release(true)
    }
  }

  /** What Redis said: what was missed is delivered or given up, then comes what waited. */
  resume ({ at, missed }: Reading): void {
    // It was given up meanwhile: what waited went on without it.
    if (this.#waiting === null) return
    const before = this.#at
    if (before === null) {
      this.#stand(at, null)
      if (this.#settle === null) this.#events.gap(this.stream, format(at))
      this.#settle?.(format(at))
      this.#settle = null
    } else if (missed === null) {
      this.#lose(this.#waitingBefore(at))
    } else {
      for (const envelope of missed) this.#deliver(envelope)
    }
    this.#release(false)
  }

  /** What waits is here already: only what came before it is lost. */
  #waitingBefore (at: Place): Place {
    for (const { broadcast } of this.#waiting!) {
      const place = parsePosition(broadcast.at)
      if (place?.epoch === at.epoch && place.offset <= at.offset) return { epoch: at.epoch, offset: place.offset - 1 }
    }
    return at
  }

  /** Lets what waited through; `isTired` gives up what is still missing between. */
  #release (isTired: boolean): void {
    const waiting = this.#waiting!
    this.#waiting = null
    if (isTired) this.giveUp()
    for (const envelope of waiting) {
      // A hole stopped it: the rest waits again.
      if (this.#waiting !== null) (this.#waiting as Envelope[]).push(envelope)
      else this.#take(envelope, isTired)
    }
  }

  #take (envelope: Envelope, isTired = false): void {
    const place = parsePosition(envelope.broadcast.at)
    // It is not kept and has no place: the order of arrival is all there is.
    if (place === null) return this.#deliver(envelope)
    const { epoch, offset } = place
    const isKnown = this.#at !== null && this.#at.epoch === epoch
    const wentBack = isKnown && offset <= this.#arrived
    if (isKnown && !wentBack) {
      this.#arrived = offset
      if (offset <= this.#at!.offset) return
      if (offset > this.#at!.offset + 1 && !isTired) {
        this.#waiting = [envelope]
        this.turn++
        // It will arrive again, from the queue.
        this.#arrived = offset - 1
        return this.#events.hole(this)
      }
    }
    this.#arrived = offset
    if (!isKnown || wentBack || offset !== this.#at!.offset + 1) this.#lose({ epoch, offset: offset - 1 })
    this.#deliver(envelope)
  }

  #deliver ({ broadcast, id }: Envelope): void {
    if (this.#isClosed) return
    const place = parsePosition(broadcast.at)
    if (place !== null) this.#stand(place, id)
    this.#events.deliver(this.stream, broadcast)
  }

  #lose (at: Place): void {
    if (this.#isClosed) return
    this.#stand(at, null)
    this.#events.gap(this.stream, format(at))
  }

  #stand (at: Place, id: string | null): void {
    this.#at = at
    this.#id = id
  }
}

/** A place as one string. */
export function format ({ epoch, offset }: Place): Position {
  return `${epoch}.${offset}`
}
