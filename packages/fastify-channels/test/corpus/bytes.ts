// What a hostile client says below the words: raw bytes after the handshake, and how the line ends. Runs nothing.
import { closeFrame, frame, opcodes } from './raw.ts'

export interface BytesRow {
  readonly row: string
  readonly about: string
  readonly write: Uint8Array
  /** The code the server closes with; null for TCP closed without a word. */
  readonly code: number | null
}

const pong = '{"command":"pong"}'
const { binary, close, continuation, ping, text } = opcodes

export const endings: readonly BytesRow[] = [
  { row: 'F1', about: 'a text that is not masked', write: frame(pong, { masked: false }), code: 1002 },
  { row: 'F2', about: 'the first reserved bit without compression', write: frame(pong, { reserved: 0x40 }), code: 1002 },
  { row: 'F2b', about: 'the second reserved bit', write: frame(pong, { reserved: 0x20 }), code: 1002 },
  { row: 'F2c', about: 'the third reserved bit', write: frame(pong, { reserved: 0x10 }), code: 1002 },
  { row: 'F3', about: 'an opcode for data that does not exist', write: frame(pong, { opcode: 3 }), code: 1002 },
  { row: 'F3b', about: 'an opcode for control that does not exist', write: frame('', { opcode: 11 }), code: 1002 },
  { row: 'F4', about: 'a continuation of nothing', write: frame(pong, { opcode: continuation }), code: 1002 },
  { row: 'F4b', about: 'a text inside an unfinished text', write: Buffer.concat([frame('{', { fin: false }), frame(pong)]), code: 1002 },
  { row: 'F5', about: 'a ping in parts', write: frame('', { opcode: ping, fin: false }), code: 1002 },
  { row: 'F5b', about: 'a ping of 126 bytes', write: frame(Buffer.alloc(126), { opcode: ping }), code: 1002 },
  { row: 'F5c', about: 'a close of 126 bytes', write: frame(Buffer.alloc(126), { opcode: close }), code: 1002 },
  { row: 'F6', about: 'text that is no UTF-8', write: frame(Buffer.from([0xc3, 0x28])), code: 1007 },
  { row: 'F6b', about: 'half a character in UTF-8', write: frame(Buffer.from([0xed, 0xa0, 0x80])), code: 1007 },
  { row: 'F6c', about: 'a letter in too many bytes', write: frame(Buffer.from([0xc0, 0xaf])), code: 1007 },
  { row: 'F6d', about: 'a letter beyond the last one', write: frame(Buffer.from([0xf4, 0x90, 0x80, 0x80])), code: 1007 },
  { row: 'F6e', about: 'a letter cut in two by the end', write: frame(Buffer.from([0x7b, 0xe2, 0x82])), code: 1007 },
  { row: 'F7', about: 'a length one over what is allowed, without the rest', write: frame('', { declared: 65_537 }), code: 1009 },
  { row: 'F7b', about: 'a length beyond all numbers', write: frame('', { declared: 2 ** 53 }), code: 1009 },
  { row: 'F7c', about: 'fragments that are too long together', write: Buffer.concat([frame(Buffer.alloc(40_000, 'a'), { fin: false }), frame(Buffer.alloc(40_000, 'a'), { opcode: continuation })]), code: 1009 },
  { row: 'F8', about: 'close codes that must not be sent', write: closeFrame(999), code: 1002 },
  { row: 'F8b', about: 'the code for no code', write: closeFrame(1005), code: 1002 },
  { row: 'F8c', about: 'the code for a lost line', write: closeFrame(1006), code: 1002 },
  { row: 'F8d', about: 'half a close code', write: frame(Buffer.from([3]), { opcode: close }), code: 1002 },
  { row: 'F9', about: 'a reason that is no UTF-8', write: closeFrame(1000, Buffer.from([0xc3, 0x28])), code: 1007 },
  { row: 'F10', about: 'a good close', write: closeFrame(1000, 'bye'), code: 1000 },
  { row: 'F10b', about: 'a close without a code', write: closeFrame(), code: 1005 },
  { row: 'F10c', about: 'a close with a code of the app’s own', write: closeFrame(4000), code: 4000 },
  { row: 'F10d', about: 'a close, and more after it', write: Buffer.concat([closeFrame(1000), frame('{"command":"subscribe","channel":"BoomChannel"}')]), code: 1000 },
  { row: 'F11', about: 'HTTP after the handshake', write: Buffer.from('GET / HTTP/1.1\r\n\r\n'), code: 1002 },
  { row: 'F11b', about: 'TLS after the handshake', write: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), code: 1002 },
  { row: 'F12', about: 'a flood of empty fragments', write: Buffer.concat([frame('', { fin: false }), ...Array.from({ length: 256 }, () => frame('', { opcode: continuation, fin: false }))]), code: 1008 },
  { row: 'F14', about: 'twenty thousand pings in one write', write: Buffer.concat(Array.from({ length: 20_000 }, () => frame('', { opcode: ping }))), code: null },
  { row: 'F15', about: 'good words in a binary frame', write: frame(pong, { opcode: binary }), code: 1003 },
  { row: 'F15b', about: 'nothing in a binary frame', write: frame('', { opcode: binary }), code: 1003 }
]

/** Bytes that are odd and allowed: the socket stays open, and answers each with as many frames of an opcode. */
export const harmless: ReadonlyArray<{ readonly row: string, readonly about: string, readonly write: Uint8Array, readonly opcode: number, readonly times: number }> = [
  { row: 'F13', about: 'sixty pings', write: Buffer.concat(Array.from({ length: 60 }, (_, n) => frame(String(n), { opcode: ping }))), opcode: opcodes.pong, times: 60 },
  { row: 'F13b', about: 'a ping of 125 bytes', write: frame(Buffer.alloc(125), { opcode: ping }), opcode: opcodes.pong, times: 1 },
  { row: 'F16', about: 'pongs nobody asked for', write: Buffer.concat(Array.from({ length: 1000 }, () => frame('x', { opcode: opcodes.pong }))), opcode: opcodes.pong, times: 0 },
  { row: 'F16b', about: 'a text in two hundred and fifty parts, a ping between them', write: Buffer.concat([frame('{', { fin: false }), ...Array.from({ length: 125 }, () => frame(' ', { opcode: continuation, fin: false })), frame('', { opcode: ping }), ...Array.from({ length: 125 }, () => frame(' ', { opcode: continuation, fin: false })), frame('}', { opcode: continuation })]), opcode: text, times: 1 },
  { row: 'F16c', about: 'an empty text', write: frame(''), opcode: text, times: 1 },
  { row: 'F16d', about: 'a text of the greatest length allowed', write: frame(`"${'x'.repeat(65_534)}"`), opcode: text, times: 1 },
  { row: 'F16e', about: 'a length in more bytes than it needs', write: Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Buffer.from('{}')]), opcode: text, times: 1 }
]
