// One text message as a whole WebSocket frame (RFC 6455 §5.2), encoded once and shared by everybody who hears it.

/** A finished, unmasked text frame: header and payload in one buffer. Never written to after it was made. */
export type Frame = Buffer

const FINAL_TEXT = 0x81

/** Encodes a text as a frame. */
export function encode (text: string): Frame {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = FINAL_TEXT
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
  frame.write(text, header, length, 'utf8')
  return frame
}

/** The payload of a frame, for a transport that makes headers of its own. */
export function payload (frame: Frame): Buffer {
  return frame.subarray(frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2)
}
