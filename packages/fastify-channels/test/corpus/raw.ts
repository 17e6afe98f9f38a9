// A peer on bare TCP: writes whatever bytes it is given and reads what comes back. Understands handshakes and frames, obeys neither.
import { randomBytes } from 'node:crypto'
import { connect as dial } from 'node:net'
import type { Socket } from 'node:net'

export type Header = readonly [name: string, value: string]

/** The headers of a good handshake, to be changed one at a time. */
export const handshake: { readonly [name: string]: string } = {
  Host: 'app.example',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='
}

/** The head of a request. A header of null is left out, a list of values is that many headers. */
export function requestHead (headers: { readonly [name: string]: string | readonly string[] | null } = {}, line = 'GET /cable HTTP/1.1'): string {
  const lines = Object.entries({ ...handshake, ...headers }).flatMap(([name, value]) => value === null ? [] : [value].flat().map(one => `${name}: ${one}\r\n`))
  return `${line}\r\n${lines.join('')}\r\n`
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameShape {
  readonly opcode?: number
  readonly fin?: boolean
  readonly masked?: boolean
  /** The three reserved bits, as in the first byte: 0x40, 0x20, 0x10. */
  readonly reserved?: number
  /** What the length says, whatever is there. */
  readonly declared?: number
}

/** The bytes of one frame, lies included. */
export function frame (payload: string | Uint8Array, { opcode = opcodes.text, fin = true, masked = true, reserved = 0, declared }: FrameShape = {}): Buffer {
  const body = Buffer.from(payload as Uint8Array)
  const length = declared ?? body.length
  const extra = length < 126 ? 0 : length < 65536 ? 2 : 8
  const head = Buffer.alloc(2 + extra)
  head[0] = (fin ? 0x80 : 0) | reserved | opcode
  head[1] = (masked ? 0x80 : 0) | (extra === 0 ? length : extra === 2 ? 126 : 127)
  if (extra === 2) head.writeUInt16BE(length, 2)
  if (extra === 8) head.writeBigUInt64BE(BigInt(length), 2)
  if (!masked) return Buffer.concat([head, body])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, body.map((byte, index) => byte ^ mask[index & 3]!)])
}

/** A close frame. */
export function closeFrame (code?: number, reason: string | Uint8Array = ''): Buffer {
  if (code === undefined) return frame('', { opcode: opcodes.close })
  const head = Buffer.alloc(2)
  head.writeUInt16BE(code)
  return frame(Buffer.concat([head, Buffer.from(reason as Uint8Array)]), { opcode: opcodes.close })
}

/** What came back from the other side, one at a time. */
export interface Heard {
  readonly opcode: number
  readonly payload: Buffer
}

/** How a line ended: the code of the close frame, if one came, and that TCP is closed. */
export interface End {
  readonly code: number | null
}

export class Peer {
  readonly socket: Socket
  readonly #heard: Heard[] = []
  #unread = Buffer.alloc(0)
  #isUpgraded = false
  #closeCode: number | null = null
  #wake: (() => void) | null = null
  #isOver = false
  status = 0
  head = ''

  constructor (port: number) {
    this.socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.setNoDelay(true)
    this.socket.on('data', data => this.#read(data))
    this.socket.on('error', () => {})
    // Whoever is told that the other side is done hangs up as well.
    this.socket.on('end', () => this.socket.end())
    this.socket.on('close', () => {
      this.#isOver = true
      this.#wake?.()
    })
  }

  /** Opens a good socket. */
  static async open (port: number, headers: { readonly [name: string]: string | readonly string[] | null } = {}): Promise<Peer> {
    const peer = new Peer(port)
    await peer.handshake(requestHead(headers))
    if (peer.status !== 101) throw new Error(`the handshake was answered with ${peer.head}`)
    return peer
  }

  get isOver (): boolean {
    return this.#isOver
  }

  /** Everything that was heard and not taken yet. */
  get heard (): readonly Heard[] {
    return this.#heard
  }

  /** Says the head of a request and waits for the head of the answer; status 0 is none before the end. */
  async handshake (head: string | Uint8Array): Promise<number> {
    this.write(head)
    await this.until(() => this.status !== 0 || this.#isOver)
    return this.status
  }

  write (bytes: string | Uint8Array): void {
    this.socket.write(bytes as Uint8Array)
  }

  say (...texts: string[]): void {
    this.write(Buffer.concat(texts.map(text => frame(text))))
  }

  /** The next frame. Fails after `ms`: what never comes must not hang a test. */
  async next (ms = 10_000): Promise<Heard> {
    await this.until(() => this.#heard.length > 0 || this.#isOver, ms)
    const heard = this.#heard.shift()
    if (heard === undefined) throw new Error(`the line ended (close code ${this.#closeCode}) and nothing came`)
    return heard
  }

  /** The next text frame, read. */
  async nextText (ms?: number): Promise<any> {
    const { opcode, payload } = await this.next(ms)
    if (opcode !== opcodes.text) throw new Error(`no text came, but opcode ${opcode}: ${payload}`)
    return JSON.parse(payload.toString())
  }

  /** Settles when TCP is closed. */
  async ended (ms = 20_000): Promise<End> {
    await this.until(() => this.#isOver, ms)
    return { code: this.#closeCode }
  }

  async until (isSo: () => boolean, ms = 10_000): Promise<void> {
    const deadline = Date.now() + ms
    while (!isSo()) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`nothing came within ${ms} ms; before that: ${this.head.split('\r\n')[0]} ${this.#heard.map(({ opcode, payload }) => `${opcode}:${payload.subarray(0, 200)}`).join(' | ')}`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
    }
  }

  /** Ends the line without a word. */
  destroy (): void {
    this.socket.destroy()
  }

  /** Ends the line with an RST. */
  reset (): void {
    this.socket.resetAndDestroy()
  }

  #read (data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data])
    if (!this.#isUpgraded) {
      const end = this.#unread.indexOf('\r\n\r\n')
      if (end < 0) return
      if (this.status === 0) {
        this.head = this.#unread.subarray(0, end).toString()
        this.status = Number(/^HTTP\/1\.1 (\d{3})/.exec(this.head)?.[1] ?? -1)
      }
      if (this.status === 101) {
        this.#isUpgraded = true
        this.#unread = this.#unread.subarray(end + 4)
      }
    }
    if (this.#isUpgraded) this.#readFrames()
    this.#wake?.()
  }

  #readFrames (): void {
    for (;;) {
      const bytes = this.#unread
      if (bytes.length < 2) return
      const short = bytes[1]! & 0x7f
      const start = short < 126 ? 2 : short === 126 ? 4 : 10
      if (bytes.length < start) return
      const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
      if (bytes.length < start + length) return
      const payload = bytes.subarray(start, start + length)
      const opcode = bytes[0]! & 0x0f
      if (opcode === opcodes.close) {
        this.#closeCode = payload.length >= 2 ? payload.readUInt16BE() : 1005
        // The one rule it keeps: otherwise every test would wait for the server's patience to end.
        this.socket.end(frame(payload, { opcode }))
      }
      this.#heard.push({ opcode, payload })
      this.#unread = bytes.subarray(start + length)
    }
  }
}
