// The bytes of one connection, and its one door out: everything leaves here, in order, one write per turn. Knows no commands.
import { Socket as NetSocket } from 'node:net'
import type { WebSocket } from 'ws'
import { Batch } from './batch.ts'
import { payload } from './frame.ts'
import type { Frame } from './frame.ts'

const CONTROL = 0x08
const pingFrame: Frame = Buffer.from([0x89, 0])

/** What a socket may hold for a peer that reads slowly. */
export interface QueueLimits {
  /** Bytes from which it is congested. */
  readonly sendQueueSoft: number
  /** Bytes over which it is ended. */
  readonly sendQueueHard: number
  /** Milliseconds a congested socket may go without the peer taking anything. */
  readonly stallTimeout: number
}

/** Sockets with something to write at the end of this turn of the event loop. */
let waiting: Socket[] = []
/** The batch that began this turn, so that sockets which begin with the same frame share it. */
let root: Batch | null = null

function flushAll (): void {
  const sockets = waiting
  waiting = []
  root = null
  for (const socket of sockets) socket.flush()
}

export class Socket {
  readonly #ws: WebSocket
  /** ws's own stream; null where it is none of Node's sockets and ws must write for us. */
  readonly #raw: NetSocket | null
  readonly #limits: QueueLimits
  #batch: Batch | null = null
  #isOpen = true
  #isCongested = false
  /** Watches a congested peer. */
  #stall: NodeJS.Timeout | undefined

  constructor (ws: WebSocket, limits: QueueLimits) {
    this.#ws = ws
    const raw = (ws as unknown as { _socket: unknown })._socket
    this.#raw = raw instanceof NetSocket ? raw : null
    this.#limits = limits
  }

  /** False once it is closed from here. */
  get isOpen (): boolean {
    return this.#isOpen
  }

  /** Bytes that the kernel has not taken yet. */
  get queued (): number {
    return this.#raw?.writableLength ?? this.#ws.bufferedAmount
  }

  /** The peer does not follow: what can be sent later should be. */
  get isCongested (): boolean {
    return this.#isCongested
  }

  /** A message of the peer has begun to arrive and is not complete. */
  get isReceiving (): boolean {
    const { _receiver: receiver } = this.#ws as unknown as { _receiver: { _bufferedBytes?: number, _state?: number, _fragmented?: number } | null }
    return receiver !== null && (receiver._bufferedBytes !== 0 || receiver._state !== 0 || receiver._fragmented !== 0)
  }

  /** Writes a frame at the end of this turn, after all that was written before. After a close: nothing. */
  write (frame: Frame): void {
    if (!this.#isOpen) return
    if (this.#batch !== null) {
      this.#batch = this.#batch.with(frame)
      return
    }
    if (root === null || !root.is(frame)) root = new Batch(frame)
    this.#batch = root
    if (waiting.push(this) === 1) setImmediate(flushAll)
  }

  /** Asks the peer's machine whether it is there. */
  ping (): void {
    this.write(pingFrame)
  }

  /** Hands what waits to the kernel now. */
  flush (): void {
    const batch = this.#batch
    this.#batch = null
    if (batch === null || this.#ws.readyState !== this.#ws.OPEN) return
    if (this.#raw === null) {
      for (const frame of batch.frames()) this.#send(frame)
      return
    }
    // Whoever is over the cap already is ended; one large batch for a peer that follows is not held against it.
    if (this.#raw.writableLength > this.#limits.sendQueueHard) return this.terminate()
    if (!this.#raw.write(batch.bytes) && !this.#isCongested && this.#raw.writableLength > this.#limits.sendQueueSoft) this.#congest(this.#raw)
  }

  /** Writes what waits, then closes. The reason is cut to what a close frame holds: 123 bytes. */
  close (code: number, reason: string): void {
    if (!this.#isOpen) return
    this.flush()
    this.#isOpen = false
    this.#ws.close(code, Buffer.from(reason).subarray(0, 123).toString().replace(/\uFFFD+$/, ''))
  }

  /** Ends the connection without a word; what waits is lost. */
  terminate (): void {
    this.#isOpen = false
    this.#batch = null
    this.#ws.terminate()
  }

  /** The connection is over: nothing is watched any more. */
  closed (): void {
    this.#isOpen = false
    this.#batch = null
    clearInterval(this.#stall)
  }

  /** Reads no more until `resume`. */
  pause (): void {
    this.#ws.pause()
  }

  resume (): void {
    this.#ws.resume()
  }

  /** The peer does not follow any more. */
  protected congested (): void {}
  /** It took everything that waited. */
  protected drained (): void {}

  #congest (raw: NetSocket): void {
    let before = taken(raw)
    this.#isCongested = true
    if (this.#limits.stallTimeout !== Infinity) {
      this.#stall = setInterval(() => {
        const now = taken(raw)
        if (now === before) this.terminate()
        before = now
      }, this.#limits.stallTimeout).unref()
    }
    raw.once('drain', () => {
      clearInterval(this.#stall)
      this.#isCongested = false
      if (this.#isOpen) this.drained()
    })
    this.congested()
  }

  #send (frame: Frame): void {
    if ((frame[0]! & CONTROL) === 0) this.#ws.send(payload(frame), { binary: false }, ignore)
    else this.#ws.ping(undefined, undefined, ignore)
  }
}

/** Bytes the kernel took so far; writes that are under way count as far as they got. */
function taken (raw: NetSocket): number {
  const { _bytesDispatched: handed, _handle: handle } = raw as unknown as { _bytesDispatched: number, _handle: { writeQueueSize?: number } | null }
  return handed - (handle?.writeQueueSize ?? 0)
}

// A failed write shows as the end of the connection; nobody waits for the write itself.
function ignore (): void {}
