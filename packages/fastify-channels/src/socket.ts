// The bytes of one connection, and its one door out: everything leaves here, in order, one write per turn. Knows no commands.
import { Socket as NetSocket } from 'node:net'
import type { WebSocket } from 'ws'
import { Batch } from './batch.ts'
import { payload } from './frame.ts'
import type { Frame } from './frame.ts'

const CONTROL = 0x08
const pingFrame: Frame = Buffer.from([0x89, 0])

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
  readonly #maxQueue: number
  #batch: Batch | null = null
  #isOpen = true

  /** @param maxQueue bytes that may wait for a slow peer */
  constructor (ws: WebSocket, maxQueue: number) {
    this.#ws = ws
    const raw = (ws as unknown as { _socket: unknown })._socket
    this.#raw = raw instanceof NetSocket ? raw : null
    this.#maxQueue = maxQueue
  }

  /** Bytes that the kernel has not taken yet. */
  get queued (): number {
    return this.#raw?.writableLength ?? this.#ws.bufferedAmount
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
    if (this.queued > this.#maxQueue) return this.terminate()
    if (this.#raw !== null) this.#raw.write(batch.bytes)
    else for (const frame of batch.frames()) this.#send(frame)
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

  /** Reads no more until `resume`. */
  pause (): void {
    this.#ws.pause()
  }

  resume (): void {
    this.#ws.resume()
  }

  #send (frame: Frame): void {
    if ((frame[0]! & CONTROL) === 0) this.#ws.send(payload(frame), { binary: false }, ignore)
    else this.#ws.ping(undefined, undefined, ignore)
  }
}

// A failed write shows as the end of the connection; nobody waits for the write itself.
function ignore (): void {}
