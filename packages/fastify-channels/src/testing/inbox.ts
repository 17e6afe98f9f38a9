// What a session in memory hears: keeps every frame until somebody takes it, and lets nobody wait for ever. Says nothing but pongs.
import type { EventEmitter } from 'node:events'
import type { Frame } from '@fastify-channels/protocol'
import type { WebSocket } from 'ws'

/** How a session ended. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** Everything that arrived, in order, and those who wait for it. No wait is longer than its deadline. */
export class Inbox {
  readonly #timeout: number
  readonly #frames: Frame[] = []
  readonly #seen: string[] = []
  readonly #waiting: Array<{ wants: (frame: Frame) => boolean, resolve: (frame: Frame) => void }> = []
  readonly #closed: Promise<Closed>
  #close: (closed: Closed) => void = () => {}
  #isClosed = false

  constructor (timeout: number) {
    this.#timeout = timeout
    this.#closed = new Promise(resolve => { this.#close = resolve })
  }

  listen (ws: WebSocket): void {
    ws.on('message', (data: Buffer) => this.#arrived(data.toString()))
    // A socket that @fastify/websocket makes in memory answers no ping, and the heartbeat would end it in the middle of a long test.
    ws.on('ping', () => ws.pong())
    // In memory no FIN ever follows a close frame: hang up as soon as the server's was read, before ws politely answers and waits.
    ws.once('open', () => receiver(ws).prependOnceListener('conclude', () => ws.terminate()))
    ws.on('close', (code, reason) => {
      this.#isClosed = true
      this.#close({ code, reason: reason.toString() })
    })
  }

  /** What nobody took. */
  get frames (): readonly Frame[] {
    return [...this.#frames]
  }

  /** The next frame that `wants` accepts; what comes before it stays for others. */
  take (what: string, wants: (frame: Frame) => boolean): Promise<Frame> {
    const index = this.#frames.findIndex(wants)
    if (index >= 0) return Promise.resolve(this.#frames.splice(index, 1)[0]!)
    let waiter: { wants: (frame: Frame) => boolean, resolve: (frame: Frame) => void }
    const arrival = new Promise<Frame>(resolve => {
      waiter = { wants, resolve }
      this.#waiting.push(waiter)
    })
    return this.within(what, arrival, () => this.#waiting.splice(this.#waiting.indexOf(waiter), 1))
  }

  /** The end of the session. */
  ended (): Promise<Closed> {
    return this.within('end of the session', this.#closed)
  }

  /** Waits for what the server does by itself. */
  async until (what: string, isDone: () => boolean): Promise<void> {
    const deadline = Date.now() + this.#timeout
    while (!isDone()) {
      if (Date.now() > deadline) throw this.#late(what)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Waits for `work`, and no longer than the deadline. */
  async within<T> (what: string, work: Promise<T>, giveUp: () => void = () => {}): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        giveUp()
        reject(this.#late(what))
      }, this.#timeout)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #late (what: string): Error {
    const seen = this.#seen.length === 0 ? 'nothing arrived' : `these arrived:\n  ${this.#seen.join('\n  ')}`
    return new Error(`no ${what} within ${this.#timeout} ms${this.#isClosed ? ' (the connection is closed)' : ''}; ${seen}`)
  }

  #arrived (text: string): void {
    this.#seen.push(text)
    const frame: Frame = JSON.parse(text)
    // The heartbeat comes when it comes: no test waits for it, and none should stumble over it.
    if (frame.type === 'ping') return
    const index = this.#waiting.findIndex(({ wants }) => wants(frame))
    if (index < 0) this.#frames.push(frame)
    else this.#waiting.splice(index, 1)[0]!.resolve(frame)
  }
}

/** What of ws reads frames, and says `conclude` after a close frame: an inner part, which a test of the kit watches. */
function receiver (ws: WebSocket): EventEmitter {
  return (ws as unknown as { _receiver: EventEmitter })._receiver
}
