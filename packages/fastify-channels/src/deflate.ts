// Compression once per broadcast: one deflated frame for all peers that negotiated it, where ws would deflate once per socket. Keeps no context between frames.
import { Socket as NetSocket } from 'node:net'
import { constants, deflateRawSync } from 'node:zlib'
import type { WebSocket } from 'ws'
import { InvalidOption } from './errors.ts'
import { encode, frameDeflated } from './frame.ts'
import type { Frame } from './frame.ts'

/** Whether broadcasts are compressed for peers that can inflate them; shorter ones than `threshold` bytes never are. */
export type CompressOption = boolean | { readonly threshold?: number }

const WORTH_IT = 1024
/** What a flush leaves at the end, and RFC 7692 §7.2.1 takes away. */
const TAIL = 4

/** Bytes from which a broadcast is compressed; null: none is. */
export function compressionThreshold (option: CompressOption | undefined): number | null {
  if (option === undefined || option === false) return null
  const { threshold = WORTH_IT } = option === true ? {} : option
  if (!Number.isInteger(threshold) || threshold < 0) throw new InvalidOption('compress is true, false, or { threshold } in bytes')
  return threshold
}

/** A text as a deflated frame, or as a plain one where that is no larger. */
export function encodeDeflated (text: string, threshold: number): Frame {
  const plain = encode(text)
  if (plain.length < threshold) return plain
  const deflated = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
  const frame = frameDeflated(deflated.subarray(0, deflated.length - TAIL))
  return frame.length < plain.length ? frame : plain
}

/** True for a peer that inflates any frame by itself: negotiated, without context, with the whole window; and only where we write the frames. */
export function inflates (ws: WebSocket): boolean {
  const { _extensions: extensions, _socket: raw } = ws as unknown as { _extensions?: { [name: string]: { params?: { [name: string]: unknown } | null } }, _socket: unknown }
  const { params } = extensions?.['permessage-deflate'] ?? {}
  return raw instanceof NetSocket && params?.server_no_context_takeover === true && (params.server_max_window_bits ?? 15) === 15
}
