// Finds connections that are silent: a process says something to itself over each of them, and hears whether it comes back. Repairs nothing but by a new connection.
import { randomBytes } from 'node:crypto'
import type { Aside } from './aside.ts'
import type { History } from './history.ts'
import { PARTS } from './keys.ts'
import type { Keys } from './keys.ts'
import type { Subscriber } from './subscriber.ts'
import type { Subscribers } from './subscribers.ts'

/** Milliseconds between two probes; what is not back by the next one is lost. */
export const PROBE_INTERVAL = 5000

interface Asked {
  readonly channel: string
  readonly part: number
  /** When the last word left; null: it came back. */
  sentAt: number | null
  /** True once Redis took it. */
  isTaken: boolean
  isAnswered: boolean
}

export class Probe {
  readonly #keys: Keys
  readonly #history: History
  readonly #aside: Aside
  readonly #subscribers: Subscribers
  readonly #forsake: (part: number) => void
  readonly #id = randomBytes(9).toString('base64url')
  readonly #asked = new Map<Subscriber, Asked>()
  #lastMs: number | null = null

  constructor (keys: Keys, history: History, aside: Aside, subscribers: Subscribers, forsake: (part: number) => void) {
    this.#keys = keys
    this.#history = history
    this.#aside = aside
    this.#subscribers = subscribers
    this.#forsake = forsake
  }

  /** How long the last word took, there and back. */
  get lastMs (): number | null {
    return this.#lastMs
  }

  /** Listens on every connection, also on those that came since. */
  watch (): void {
    const present = new Set(this.#subscribers)
    for (const [subscriber, { channel, part }] of this.#asked) {
      if (present.has(subscriber) && this.#subscribers.of(part) === subscriber) continue
      this.#aside.detach(channel)
      this.#asked.delete(subscriber)
    }
    for (let part = 0; part < PARTS; part++) {
      const subscriber = this.#subscribers.of(part)
      if (subscriber === null || this.#asked.has(subscriber)) continue
      const asked: Asked = { part, channel: this.#keys.probe(part, this.#id), sentAt: null, isTaken: false, isAnswered: true }
      this.#asked.set(subscriber, asked)
      this.#aside.attach(part, asked.channel, () => {
        if (asked.sentAt !== null) this.#lastMs = performance.now() - asked.sentAt
        asked.sentAt = null
      })
    }
  }

  /** Once in a while: gives up what did not come back since the last time, and asks again. */
  tick (): void {
    for (const [subscriber, asked] of this.#asked) {
      const { isUp } = subscriber.link
      // Without an answer the connection is silent; with one, but without its own word, it hears a Redis that is not the one spoken to.
      const isLost = !asked.isAnswered || (asked.sentAt !== null && asked.isTaken)
      asked.sentAt = null
      asked.isAnswered = true
      // A connection that is down comes back by itself.
      if (isUp && isLost) subscriber.link.reconnect('it does not answer')
      else if (isUp) this.#ask(subscriber, asked)
    }
  }

  #ask (subscriber: Subscriber, asked: Asked): void {
    asked.isAnswered = asked.isTaken = false
    asked.sentAt = performance.now()
    // A connection that ended is not silent: its link knows.
    const answered = () => { asked.isAnswered = true }
    subscriber.ping().then(answered, answered)
    this.#history.say(asked.part, asked.channel, '').then(() => { asked.isTaken = true }, () => {
      asked.sentAt = null
      this.#forsake(asked.part)
    })
  }
}
