// The one socket of a cable: opens it, notices that it died, opens the next one. Never looks into a frame.
import { isTerminal } from '@fastify-channels/protocol'
import { delayAfter, floorAfter } from './backoff.ts'
import { CableError, report } from './error.ts'
import type { LinkOptions, SocketLike } from './options.ts'

/** Who is told: declared here, implemented by the cable. */
export interface LinkOwner {
  opened: () => void
  heard: (data: unknown) => void
  lost: (willReconnect: boolean, reason: string) => void
}

/** What a server says before it closes. */
export interface Farewell {
  readonly reason?: string
  readonly reconnect?: boolean
  readonly retryIn?: number
}

const PROTOCOL = 'channels-v1'
/** The server pings every 15 s: after two missed ones and a second it is gone. */
const STALE = 31_000
/** A connection that held this long was a good one. */
const STABLE = 10_000
/** The longest a server may send us away. */
const HOUR = 3_600_000
/** Faults of the protocol itself: a bug, not weather. */
const faults = [1002, 1007, 1009]
const pageEvents = ['online', 'pagehide', 'pageshow', 'visibilitychange']

export class Link {
  readonly #owner: LinkOwner
  readonly #options: LinkOptions
  readonly #random: () => number
  #url: string
  #socket: SocketLike | null = null
  /** Null until it was started or stopped. */
  #isRunning: boolean | null = null
  #tab = ''
  #count = 0
  /** With a socket: the next look whether it is stale. Without: the next attempt. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #openedAt: number | null = null
  #heardAt = 0
  #notBefore = 0
  #attempt = 0
  #faults = 0
  #farewell: Farewell = {}
  /** How large the crowd is that would come back at once, as the server said last: milliseconds to spread over. */
  spread: number | undefined

  constructor (owner: LinkOwner, options: LinkOptions) {
    this.#owner = owner
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#url = options.url ?? '/cable'
  }

  get isIdle (): boolean {
    return this.#isRunning === null
  }

  get isStopped (): boolean {
    return this.#isRunning === false
  }

  /** A random name for this end, the same across sockets. */
  get tab (): string {
    // Made when it is wanted: some runtimes have no randomness while modules load.
    this.#tab ||= crypto.getRandomValues(new Uint32Array(4)).join('-')
    return this.#tab
  }

  /** A number never given before. */
  count (): number {
    return ++this.#count
  }

  start (url = this.#url): void {
    if (url !== this.#url) this.#leave('moved')
    this.#url = url
    if (this.#socket === null) this.#open()
    if (this.#isRunning) return
    this.#isRunning = true
    this.#attempt = this.#faults = 0
    this.#heed('addEventListener')
  }

  /** Ends the connection, and does not come back by itself. */
  stop (reason: string): void {
    const wasRunning = this.#isRunning
    this.#isRunning = false
    this.#drop()
    this.#heed('removeEventListener')
    if (wasRunning) this.#owner.lost(false, reason)
  }

  send (text: string): boolean {
    if (this.#openedAt === null) return false
    this.#socket!.send(text)
    return true
  }

  /** The server is about to close, and says what shall follow. */
  expect (farewell: Farewell): void {
    this.#farewell = farewell
  }

  handleEvent ({ type, persisted }: { type: string, persisted?: boolean }): void {
    if (type === 'pagehide') {
      // A page with a socket may not enter the back/forward cache; `pageshow` opens the next one.
      if (persisted) this.#leave(type)
    } else if (type !== 'visibilitychange' || !isHidden()) {
      if (this.#socket !== null) this.#watch()
      if (this.#socket === null && this.#isRunning) this.#retryIn(type === 'online' ? this.#random() * 1000 : 0)
    }
  }

  #heed (how: 'addEventListener' | 'removeEventListener'): void {
    for (const event of pageEvents) globalThis[how]?.(event, this)
  }

  /** Ends the connection; another one follows. */
  #leave (reason: string): void {
    this.#drop()
    this.#owner.lost(true, reason)
  }

  #open (): void {
    clearTimeout(this.#timer)
    const url = new URL(this.#url, globalThis.location?.href)
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = new (this.#options.WebSocket ?? globalThis.WebSocket)(url.href, PROTOCOL)
    this.#socket = socket
    this.#farewell = {}
    this.#heardAt = Date.now()
    // A socket we gave up may still talk: nobody listens.
    const ifCurrent = (then: (event: any) => void) => (event: any) => { if (socket === this.#socket) then(event) }
    socket.onopen = ifCurrent(() => {
      if (socket.protocol !== PROTOCOL) return this.stop('protocol')
      this.#openedAt = Date.now()
      this.#owner.opened()
    })
    socket.onmessage = ifCurrent(({ data }) => {
      this.#heardAt = Date.now()
      this.#owner.heard(data)
    })
    socket.onclose = ifCurrent(({ code, reason }) => this.#lose(code, reason || 'lost'))
    // What went wrong is said by the close that follows; `ws` wants a listener all the same.
    socket.onerror = () => {}
    this.#watch()
  }

  /** Gives the socket up when it was silent for too long: its own close may take minutes. Looks again when it might have been. */
  #watch (): void {
    clearTimeout(this.#timer)
    const left = STALE - Math.abs(Date.now() - this.#heardAt)
    if (left > 0) this.#timer = setTimeout(() => this.#watch(), left)
    else this.#lose(1006, 'stale')
  }

  #lose (code: number, why: string): void {
    const { reason = why, reconnect, retryIn } = this.#farewell
    if (this.#openedAt !== null && Date.now() - this.#openedAt >= STABLE) this.#attempt = this.#faults = 0
    this.#drop()
    this.#faults = faults.includes(code) ? this.#faults + 1 : 0
    if (this.#faults === 3) report(new CableError(reason, code))
    if (isTerminal(code) || reconnect === false || this.#faults === 3 || this.#attempt >= (this.#options.maxAttempts ?? Infinity)) return this.stop(reason)
    // A number, and no text of one.
    const isTold = retryIn === +retryIn!
    this.#notBefore = Date.now() + (isTold ? retryIn! : floorAfter(code))
    // What the server says goes, but not again and again: one that sends everybody away at once must not be run over.
    this.#retryIn(isTold && this.#attempt === 0 ? retryIn! : delayAfter(this.#attempt, code, isHidden(), this.#random, this.spread))
    this.#attempt++
    this.#owner.lost(true, reason)
  }

  #retryIn (wait: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#open(), Math.min(HOUR, Math.max(wait, this.#notBefore - Date.now())))
  }

  #drop (): void {
    clearTimeout(this.#timer)
    const socket = this.#socket
    this.#socket = this.#openedAt = null
    socket?.close(1000)
  }
}

function isHidden (): boolean {
  return globalThis.document?.hidden === true
}
