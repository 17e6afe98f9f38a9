// A WebSocket client that only counts: raw TCP, one read buffer for all, no masking cost, no parsing of JSON while measuring.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { constants, inflateRawSync } from 'node:zlib'

const shared = Buffer.allocUnsafe(1024 * 1024)
const marker = Buffer.from('"n":"')
const tail = Buffer.from([0, 0, 0xff, 0xff])

/** The last deflated payload and what was in it: all listeners of a broadcast get the same, so one of them inflates it. */
let deflated = Buffer.alloc(0)
let inflated = deflated

function inflate (payload) {
  if (!payload.equals(deflated)) {
    deflated = Buffer.from(payload)
    inflated = inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH })
  }
  return inflated
}

export class WireClient {
  #socket
  #rest = null
  #upgraded = false
  /** Called with every text that is no broadcast. */
  onText = () => {}
  /** Called with (client, stream index, number) for every broadcast. */
  onBroadcast = () => {}
  onFailure = () => {}

  /** @param visitor a number of its own */
  constructor (port, peer, visitor, extensions = '') {
    this.peer = peer
    this.tail = peer.tail.length
    /** The number that comes next in each stream it listens to. */
    this.next = new Map()
    /** Bytes of all frames it got. */
    this.bytes = 0
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (size, buffer) => { this.#read(buffer.subarray(0, size)); return true } }
    })
    this.#socket.once('connect', () => this.#socket.write(`GET ${peer.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${peer.headers(visitor)}${extensions}\r\n`))
    this.#socket.on('error', error => this.onFailure(error))
    this.#socket.on('close', () => this.onFailure(new Error('closed')))
  }

  /** Sends a text. The mask is zero, which is a valid mask and leaves the bytes as they are. */
  send (text) {
    const length = Buffer.byteLength(text)
    const head = length < 126 ? Buffer.from([0x81, 0x80 | length, 0, 0, 0, 0]) : Buffer.from([0x81, 0x80 | 126, length >> 8, length & 255, 0, 0, 0, 0])
    this.#socket.write(Buffer.concat([head, Buffer.from(text)]))
  }

  close () {
    this.onFailure = () => {}
    this.#socket.destroy()
  }

  #read (chunk) {
    let data = chunk
    if (this.#rest !== null) {
      data = Buffer.concat([this.#rest, chunk])
      this.#rest = null
    }
    let at = 0
    if (!this.#upgraded) {
      const end = data.indexOf('\r\n\r\n')
      if (end < 0) return this.#keep(data, 0)
      if (!data.subarray(0, end).includes(' 101 ')) return this.onFailure(new Error(data.subarray(0, end).toString()))
      this.#upgraded = true
      at = end + 4
      this.onText('')
    }
    const size = data.length
    while (size - at >= 2) {
      let length = data[at + 1]
      let body = at + 2
      if (length === 126) {
        if (size - at < 4) break
        length = data[at + 2] << 8 | data[at + 3]
        body = at + 4
      } else if (length === 127) {
        return this.onFailure(new Error('a frame too large for this benchmark'))
      }
      const end = body + length
      if (end > size) break
      this.bytes += end - at
      if ((data[at] & 0x40) === 0) this.#frame(data, data[at], body, end)
      else this.#unpacked(data[at], inflate(data.subarray(body, end)))
      at = end
    }
    if (at < size) this.#keep(data, at)
  }

  #keep (data, at) {
    this.#rest = Buffer.from(data.subarray(at))
  }

  #unpacked (first, data) {
    this.#frame(data, first, 0, data.length)
  }

  #frame (data, first, body, end) {
    const opcode = first & 15
    if (opcode === 1) {
      const number = end - this.tail - 8
      if (number - 5 > body && data[number - 5] === marker[0] && data[number - 4] === marker[1] && data[number - 3] === marker[2] && data[number - 2] === marker[3] && data[number - 1] === marker[4]) {
        let n = 0
        for (let i = number; i < number + 8; i++) n = n * 10 + data[i] - 48
        // Between the two numbers stands ","n":" — the stream's has four digits.
        const stream = (data[number - 11] - 48) * 1000 + (data[number - 10] - 48) * 100 + (data[number - 9] - 48) * 10 + data[number - 8] - 48
        this.onBroadcast(this, stream, n)
      } else {
        const text = data.toString('utf8', body, end)
        const answer = this.peer.answer(text)
        if (answer !== null) this.send(answer)
        else this.onText(text)
      }
    } else if (opcode === 9) {
      this.#socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
    } else if (opcode === 8) {
      this.onFailure(new Error(`closed by the server: ${data.readUInt16BE(body)}`))
    }
  }
}
