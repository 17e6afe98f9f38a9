// Whether one connection can be used: ready, and answering. Knows nothing of what travels over it.
import type { Cluster, Redis } from 'ioredis'

/** How long a connection that was accepted may take to become ready. */
const HANDSHAKE = 3000

/** What a link tells of itself. */
export interface LinkEvents {
  readonly up: () => void
  readonly down: (reason: string) => void
}

export class Link {
  readonly #client: Redis | Cluster
  readonly #events: LinkEvents
  #isUp = false
  #isClosed = false
  #reason = 'it is not connected yet'
  #handshake: NodeJS.Timeout | undefined

  constructor (client: Redis | Cluster, events: LinkEvents) {
    this.#client = client
    this.#events = events
    client.on('error', error => { this.#reason = (error as Error).message })
    client.on('connect', () => this.#hurry())
    client.on('ready', () => this.#rise())
    client.on('close', () => this.fall(this.#reason))
    client.on('end', () => this.fall(this.#reason))
  }

  get isUp (): boolean {
    return this.#isUp
  }

  /** The last thing that went wrong. */
  get reason (): string {
    return this.#reason
  }

  /** Settles when the link is up, rejects with the first thing that prevents it. */
  connect (): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(new Error(this.#reason)), 2 * HANDSHAKE).unref()
      const done = (error?: unknown) => {
        clearTimeout(timer)
        this.#client.off('ready', done).off('error', done)
        if (error instanceof Error) reject(error)
        else resolve()
      }
      this.#client.on('ready', done).on('error', done)
      this.#client.connect().catch(() => {})
    })
  }

  /** It does not answer: taken as down until `answered`. */
  fall (reason: string): void {
    clearTimeout(this.#handshake)
    if (!this.#isUp) return
    this.#isUp = false
    this.#reason = reason
    this.#events.down(reason)
  }

  /** It answers after all. */
  answered (): void {
    if (this.#client.status === 'ready') this.#rise()
  }

  /** Gives this connection up for a new one. */
  reconnect (reason: string): void {
    this.fall(reason)
    if (!this.#isClosed) this.#client.disconnect(true)
  }

  /** Says goodbye where somebody is there to hear it. */
  async close (): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#handshake)
    const goodbye = this.#isUp ? this.#client.quit() : null
    this.#isUp = false
    let timer: NodeJS.Timeout | undefined
    if (goodbye !== null) await Promise.race([goodbye.catch(() => {}), new Promise(resolve => { timer = setTimeout(resolve, 1000) })])
    clearTimeout(timer)
    this.#client.disconnect()
  }

  #rise (): void {
    clearTimeout(this.#handshake)
    this.#isUp = true
    this.#reason = 'the connection ended'
    this.#events.up()
  }

  /** A peer that takes the connection and says nothing would hold it for ever. */
  #hurry (): void {
    clearTimeout(this.#handshake)
    this.#handshake = setTimeout(() => this.#client.disconnect(true), HANDSHAKE).unref()
  }
}
