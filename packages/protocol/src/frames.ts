// What a server says: the types of its frames, and how a client reads one. Unknown frames read as null, never as an error.
import type { Tag } from './commands.ts'
import type { Json, Params } from './json.ts'
import { isObject } from './json.ts'
import type { Position } from './position.ts'

/** Where each stream of a subscription stands; null for a stream without positions. */
export type Positions = { [stream: string]: Position | null }

/** Why a subscription was turned away, or ended later (`revoked`); absent when the channel's own `reject()` did it. */
export type RejectReason = 'unknown_channel' | 'invalid_params' | 'too_many_subscriptions' | 'timeout' | 'overflow' | 'rate_limited' | 'revoked' | 'error'

/** Why a command was refused. */
export type ErrorReason = 'invalid_json' | 'invalid_message' | 'unknown_command' | 'not_subscribed' | 'invalid_action' | 'unknown_action' | 'invalid_data' | 'rate_limited' | 'error'

export interface ConfirmFrame {
  type: 'confirm_subscription'
  channel: string
  params: Params
  ref?: Tag | null
  streams?: Positions
  recovered?: boolean | null
}

export interface RejectFrame {
  type: 'reject_subscription'
  channel: string
  params: Params
  ref?: Tag | null
  reason?: RejectReason
}

/** The payload of a `send()`; in the plain dialect also that of a broadcast. */
export interface MessageFrame {
  type: 'message'
  channel: string
  params: Params
  data: Json
}

/**
 * One broadcast to a stream, the same bytes for every listener (channels-v1). With `ref`: replayed, for that subscription alone.
 * Without `data`: this tab was left out, and only its position moves.
 */
export interface BroadcastFrame {
  type: 'broadcast'
  stream: string
  at?: Position
  ref?: Tag
  data?: Json
}

/** What lay between the client's position in a stream and `at` is lost for good; it goes on from there (channels-v1). */
export interface GapFrame {
  type: 'gap'
  stream: string
  at?: Position | null
}

/** The streams of a confirmed subscription changed (channels-v1). */
export interface StreamsFrame {
  type: 'streams'
  channel: string
  params: Params
  streams: Positions
}

export interface ReplyFrame {
  type: 'reply'
  id: Tag
  status: 'ok' | 'error'
  /** An `ErrorReason`, or the reason of the `ActionError` that the action threw. */
  reason?: string
  data?: Json
}

export interface ErrorFrame {
  type: 'error'
  reason: ErrorReason | (string & {})
}

export interface PingFrame {
  type: 'ping'
  /** Milliseconds over which the clients of this server should spread when they all lose it at once. */
  spread?: number
}

/** Comes before the close frame (channels-v1). */
export interface DisconnectFrame {
  type: 'disconnect'
  reason: string
  reconnect: boolean
  retryIn?: number
}

export type Frame = ConfirmFrame | RejectFrame | MessageFrame | BroadcastFrame | GapFrame | StreamsFrame | ReplyFrame | ErrorFrame | PingFrame | DisconnectFrame

/** Reads the text of one frame; null for what is no frame of a server (PROTOCOL §6: to be ignored). */
export function readFrame (text: unknown): Frame | null {
  try {
    const frame: unknown = JSON.parse(text as string)
    return isObject(frame) && typeof frame.type === 'string' ? frame as unknown as Frame : null
  } catch {
    return null
  }
}
