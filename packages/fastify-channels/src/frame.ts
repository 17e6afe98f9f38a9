// One text message as a whole WebSocket frame (RFC 6455 §5.2), encoded once and shared by everybody who hears it.

/** A finished, unmasked text frame: header and payload in one buffer. Never written to after it was made. */
export type Frame = Buffer

const FINAL_TEXT = 0x81
const DEFLATED = 0x40

/** Encodes a text as a frame. */
export function encode (text: string): Frame {
  const length = Buffer.byteLength(text)
  const frame = begin(FINAL_TEXT, length)
  frame.write(text, frame.length - length, length, 'utf8')
  return frame
}

/** A frame around a payload that is deflated already (RFC 7692 §6.1). */
export function frameDeflated (payload: Buffer): Frame {
  const frame = begin(FINAL_TEXT | DEFLATED, payload.length)
  payload.copy(frame, frame.length - payload.length)
  return frame
}

/** A frame with its header written and room for `length` bytes. */
function begin (first: number, length: number): Frame {
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = first
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    frame.writeUInt32BE(length % 2 ** 32, 6)
  }
  return frame
}

/** The payload of a frame, for a transport that makes headers of its own. */
export function payload (frame: Frame): Buffer {
  return frame.subarray(frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2)
}
