// What a client says: reads the text of one command, or says why it is refused. Never throws, never touches a prototype.
import { identify } from './identity.ts'
import { areSafeKeys, isObject, isSound, isWellFormed } from './json.ts'
import type { Bounds, Json, Params } from './json.ts'
import { isPosition } from './position.ts'
import type { Position } from './position.ts'

/** A client's own number or name for a call or a subscribe, echoed back: an integer from 0 or a string of at most 64 characters. */
export type Tag = number | string

/** Asks for a subscription to (channel, params). */
export interface SubscribeCommand {
  readonly command: 'subscribe'
  readonly channel: string
  readonly params: Params
  readonly key: string
  /** Echoed by the answer (channels-v1). */
  readonly ref: Tag | null
  /** The browser tab, stable across reconnects (channels-v1). */
  readonly tab: string | null
  /** Stream → where the client stands in it (channels-v1); null when it did not say, or said it badly. */
  readonly positions: ReadonlyMap<string, Position> | null
}

/** Runs an action of a confirmed subscription. */
export interface MessageCommand {
  readonly command: 'message'
  readonly channel: string
  readonly params: Params
  readonly key: string
  /** Unchecked: the name is the client's, and whether it may run is the server's to say. */
  readonly action: unknown
  readonly data: Json
  /** With an id the call gets a `reply`. */
  readonly id: Tag | null
}

/** Leaves a subscription. */
export interface UnsubscribeCommand {
  readonly command: 'unsubscribe'
  readonly channel: string
  readonly params: Params
  readonly key: string
}

/** Says that the client is still there; has no answer. */
export interface PongCommand {
  readonly command: 'pong'
}

export type Command = SubscribeCommand | MessageCommand | UnsubscribeCommand | PongCommand

/** A text that is no command: the reason to answer with, and the id of the call it was, if it was one. */
export interface Refusal {
  readonly command: 'refused'
  readonly reason: 'invalid_json' | 'invalid_message' | 'unknown_command'
  readonly id: Tag | null
}

/** How much of a command a server is willing to hold. */
export interface CommandLimits {
  /** Nested containers in `params`. */
  readonly paramsDepth: number
  /** Values in `params`. */
  readonly paramsNodes: number
  /** Nested containers in `data`. */
  readonly dataDepth: number
  /** Values in `data`. */
  readonly dataNodes: number
  /** Characters of a channel's name. */
  readonly maxChannelName: number
  /** Characters of the identity of a subscription. */
  readonly maxIdentifier: number
  /** Streams in `positions`. */
  readonly maxPositions: number
}

export const commandLimits: CommandLimits = {
  paramsDepth: 4,
  paramsNodes: 64,
  dataDepth: 32,
  dataNodes: 10_000,
  maxChannelName: 128,
  maxIdentifier: 4096,
  maxPositions: 100
}

/** Reads one text frame of a client (PROTOCOL §2). The order of checks is part of the protocol. */
export function readCommand (text: string, limits: CommandLimits = commandLimits): Command | Refusal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refuse('invalid_json')
  }
  if (!isObject(value)) return refuse('invalid_message')
  const id = value.command === 'message' && isTag(value.id) ? value.id : null
  if (!isWithin(value, limits)) return refuse('invalid_message', id)
  switch (value.command) {
    case 'subscribe':
    case 'message':
    case 'unsubscribe':
      return readAddressed(value.command, value, limits, id)
    case 'pong':
      return { command: 'pong' }
    default:
      return refuse('unknown_command')
  }
}

function readAddressed (command: 'subscribe' | 'message' | 'unsubscribe', value: { [key: string]: unknown }, limits: CommandLimits, id: Tag | null): Command | Refusal {
  const { channel = '', params: given } = value
  if (typeof channel !== 'string' || channel.length > limits.maxChannelName || !isWellFormed(channel)) return refuse('invalid_message', id)
  const params = given ?? {}
  if (!isObject(params)) return refuse('invalid_message', id)
  const key = identifyAnything(channel, params as Params)
  if (key === null || key.length > limits.maxIdentifier) return refuse('invalid_message', id)
  const address = { channel, params: params as Params, key }
  switch (command) {
    case 'subscribe': {
      const { ref, tab, positions } = value
      if (!isAbsent(ref) && !isTag(ref)) return refuse('invalid_message')
      if (isObject(positions) && Object.keys(positions).length > limits.maxPositions) return refuse('invalid_message')
      return { command, ...address, ref: ref ?? null, tab: typeof tab === 'string' && tab.length <= 64 ? tab : null, positions: readPositions(positions) }
    }
    case 'message':
      if (!isAbsent(value.id) && id === null) return refuse('invalid_message')
      // Falsy data is data; only absent and null mean "none" (PROTOCOL §2.4).
      return { command, ...address, action: value.action, data: (value.data ?? {}) as Json, id }
    case 'unsubscribe':
      return { command, ...address }
  }
}

/** Null where a server lifted its `paramsDepth`, and a stranger nested deeper than the call stack can follow. */
function identifyAnything (channel: string, params: Params): string | null {
  try {
    return identify(channel, params)
  } catch {
    return null
  }
}

function isWithin (frame: { [key: string]: unknown }, limits: CommandLimits): boolean {
  if (!areSafeKeys(frame, false)) return false
  const params: Bounds = { depth: limits.paramsDepth, nodes: limits.paramsNodes, exact: true }
  const other: Bounds = { depth: limits.dataDepth, nodes: limits.dataNodes, exact: false }
  return Object.keys(frame).every(key => isSound(frame[key], key === 'params' ? params : other))
}

/** A malformed position is one that was not given: its stream starts where it stands (PROTOCOL §4.2). */
function readPositions (given: unknown): ReadonlyMap<string, Position> | null {
  if (!isObject(given)) return null
  const usable = Object.entries(given).filter((entry): entry is [string, Position] => isPosition(entry[1]))
  return usable.length > 0 ? new Map(usable) : null
}

function isAbsent (value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function isTag (value: unknown): value is Tag {
  return typeof value === 'string' ? value.length <= 64 && isWellFormed(value) : Number.isSafeInteger(value) && value as number >= 0
}

function refuse (reason: Refusal['reason'], id: Tag | null = null): Refusal {
  return { command: 'refused', reason, id }
}
