// A connection without a network: the server's end is as much of ws as the core uses, over a stream whose peer reads when the test says so; the client's end is the client's WebSocket.
import { Socket as NetSocket } from 'node:net'
import type { SocketLike } from '@fastify-channels/client'
import { v1 } from '@fastify-channels/protocol'
import type { WebSocket } from 'ws'
import { Connection } from '../src/connection.ts'
import type { Premises } from '../src/connection.ts'

/** What the kernel takes of a connection before its peer reads, in bytes. */
const KERNEL = 200

/** The server's raw stream. What it took waits for `pull`. */
export class Wire extends NetSocket {
  #taken: Buffer[] = []
  #size = 0
  #total = 0
  #waiting: (() => void) | null = null

  constructor () {
    super({ writableHighWaterMark: 100 } as object)
  }

  override _write (chunk: Buffer, _encoding: string, done: () => void): void {
    this.#taken.push(chunk)
    this.#size += chunk.length
    this.#total += chunk.length
    if (this.#size <= KERNEL) done()
    else this.#waiting = done
  }

  override _writev (chunks: ReadonlyArray<{ chunk: Buffer }>, done: () => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), '', done)
  }

  override _destroy (_error: Error | null, done: () => void): void {
    done()
  }

  get size (): number {
    return this.#size
  }

  /** Bytes that the kernel took: what a net.Socket has of its handle. */
  get _bytesDispatched (): number {
    return this.#total - Math.max(0, this.#size - KERNEL)
  }

  /** The next bytes, at most so many. */
  pull (count: number): Buffer {
    const all = Buffer.concat(this.#taken)
    const [taken, left] = [all.subarray(0, count), all.subarray(count)]
    this.#taken = left.length > 0 ? [left] : []
    this.#size = left.length
    if (this.#size <= KERNEL) {
      const done = this.#waiting
      this.#waiting = null
      done?.()
    }
    return taken
  }
}

/** The server's end. */
class ServerEnd {
  readonly OPEN = 1
  readyState = 1
  readonly protocol = 'channels-v1'
  readonly _socket = new Wire()
  readonly _receiver = null
  isPaused = false
  terminated: () => void = () => {}

  close (code: number, reason: string): void {
    this.readyState = 2
    const body = Buffer.alloc(2 + reason.length)
    body.writeUInt16BE(code)
    body.write(reason, 2)
    this._socket.write(Buffer.concat([Buffer.from([0x88, body.length]), body]))
  }

  terminate (): void {
    this.readyState = 3
    this.terminated()
  }

  pause (): void { this.isPaused = true }
  resume (): void { this.isPaused = false }
}

/** Both ends, and what is on its way between them. Nothing moves by itself. */
export class Pair implements SocketLike {
  protocol = ''
  onopen: SocketLike['onopen'] = null
  onmessage: SocketLike['onmessage'] = null
  onclose: SocketLike['onclose'] = null
  onerror: SocketLike['onerror'] = null
  connection: Connection | null = null
  readonly #premises: Premises
  readonly #request: object
  readonly #end = new ServerEnd()
  #commands: string[] = []
  #unread = Buffer.alloc(0)
  #isOver = false
  /** Told when the server's end is over. */
  ended: () => void = () => {}
  /** Told before the client hears a frame. */
  telling: () => void = () => {}

  constructor (premises: Premises, request: object) {
    this.#premises = premises
    this.#request = request
    this.#end.terminated = () => { this.drop() }
  }

  get isOver (): boolean { return this.#isOver }
  /** Nothing is on its way. */
  get isQuiet (): boolean { return this.#isOver || (this.connection !== null && this.#commands.length === 0 && this.#end._socket.size === 0 && this.#end._socket.writableLength === 0) }

  /** The handshake succeeds. */
  open (): void {
    if (this.connection !== null || this.#isOver) return
    this.connection = new Connection(this.#premises, this.#end as unknown as WebSocket, v1, { ...this.#request, pair: this } as never, { userId: null } as never)
    this.protocol = 'channels-v1'
    this.onopen?.({})
  }

  send (text: string): void {
    if (!this.#isOver) this.#commands.push(text)
  }

  /** The client closes: what it said before still arrives, what it was sent it does not read. */
  close (): void {
    this.hear(Infinity)
    this.#over()
  }

  /** So many commands reach the server. */
  hear (count: number): void {
    for (; count > 0 && this.#commands.length > 0 && this.connection !== null && !this.#end.isPaused; count--) this.connection.receive(Buffer.from(this.#commands.shift()!), false)
  }

  /** The client reads so many bytes. */
  read (count: number): void {
    if (this.#isOver) return
    this.#unread = Buffer.concat([this.#unread, this.#end._socket.pull(count)])
    for (;;) {
      const bytes = this.#unread
      if (this.#isOver || bytes.length < 2) return
      const short = bytes[1]!
      const start = short < 126 ? 2 : short === 126 ? 4 : 10
      if (bytes.length < start) return
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
      if (bytes.length < start + length) return
      this.#unread = bytes.subarray(start + length)
      const payload = bytes.subarray(start, start + length)
      this.telling()
      if (bytes[0] === 0x81) this.onmessage?.({ data: payload.toString() })
      else if (bytes[0] === 0x88) this.#lose(payload.readUInt16BE())
      else throw new Error(`a frame that begins with ${bytes[0]}`)
    }
  }

  /** The line breaks: all that is on its way is lost. */
  drop (): void {
    this.#lose(1006)
  }

  #lose (code: number): void {
    if (this.#isOver) return
    this.#over()
    this.onclose?.({ code, reason: '' })
  }

  #over (): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end.readyState = 3
    this.#end._socket.destroy()
    this.ended()
    this.connection?.closed()
  }
}
