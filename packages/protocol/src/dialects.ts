// How a server writes each frame, once per dialect: a table, so that another dialect is one more row. Never decides what to say.
import type { Tag } from './commands.ts'
import type { Positions } from './frames.ts'
import type { Params } from './json.ts'
import type { Position } from './position.ts'

/** The two words that name a subscription on the wire. */
export interface Address {
  readonly channel: string
  readonly params: Params
}

/** How an action ended: the JSON text of its value, or a reason and the JSON text of its data. */
export type Outcome = { readonly ok: true, readonly json: string } | { readonly ok: false, readonly reason: string, readonly json?: string | undefined }

/** Writes frames as text. What a dialect does not say is null. */
export interface Dialect {
  /** The subprotocol that chooses it; empty for the plain one. */
  readonly name: string
  /** Its broadcasts carry positions, so what was missed can be asked for, and what is lost can be told. */
  readonly isStamped: boolean
  confirm: (to: Address, ref: Tag | null, streams: Positions, recovered: boolean | null) => string
  reject: (to: Address, ref: Tag | null, reason: string | null) => string
  /** The payload of a `send()`. */
  message: (to: Address, json: string) => string
  reply: (id: Tag, outcome: Outcome) => string
  error: (reason: string) => string
  /** What listeners of a stream must have in common to share one frame. */
  lane: (to: Address) => string
  /** One broadcast for all listeners of a lane. */
  broadcast: (lane: string, stream: string, at: Position | null, json: string) => string
  /** The same without its data, for a tab that was left out of it: only the position moves. */
  stamp: (stream: string, at: Position) => string | null
  /** A broadcast for one subscription alone, ahead of its confirmation; null where `broadcast` already says it. Without data: a stamp. */
  replay: (ref: Tag | null, stream: string, at: Position | null, json: string | null) => string | null
  /** What lay before `at` is lost for good. */
  gap: (stream: string, at: Position | null) => string | null
  streams: (to: Address, streams: Positions) => string | null
  /** Asks whether the peer is there, and says over how many milliseconds all peers should come back if they lose their server; 0: it is no crowd. */
  ping: (spread: number) => string | null
  disconnect: (reason: string, reconnect: boolean, retryIn: number | null) => string | null
}

function address ({ channel, params }: Address): string {
  return `"channel":${JSON.stringify(channel)},"params":${JSON.stringify(params)}`
}

function place (stream: string, at: Position | null): string {
  return `"stream":${JSON.stringify(stream)}${tag('at', at)}`
}

function tag (name: string, value: unknown): string {
  return value === null || value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`
}

const shared = {
  message: (to: Address, json: string) => `{"type":"message",${address(to)},"data":${json}}`,
  reply: (id: Tag, outcome: Outcome) => outcome.ok
    ? `{"type":"reply","id":${JSON.stringify(id)},"status":"ok","data":${outcome.json}}`
    : `{"type":"reply","id":${JSON.stringify(id)},"status":"error","reason":${JSON.stringify(outcome.reason)}${outcome.json === undefined ? '' : `,"data":${outcome.json}`}}`,
  error: (reason: string) => `{"type":"error","reason":${JSON.stringify(reason)}}`
}

/** The guide's §11 to the letter (PROTOCOL §3): what a client hears that offers no subprotocol. */
export const plain: Dialect = {
  ...shared,
  name: '',
  isStamped: false,
  confirm: to => `{"type":"confirm_subscription",${address(to)}}`,
  reject: (to, _ref, reason) => `{"type":"reject_subscription",${address(to)}${tag('reason', reason)}}`,
  // Every subscription hears its broadcasts as messages of its own, so listeners share what stands before the data.
  lane: to => `{"type":"message",${address(to)},"data":`,
  broadcast: (lane, _stream, _at, json) => `${lane}${json}}`,
  stamp: () => null,
  replay: () => null,
  gap: () => null,
  streams: () => null,
  ping: () => null,
  disconnect: () => null
}

/** What our own client speaks (PROTOCOL §4). */
export const v1: Dialect = {
  ...shared,
  name: 'channels-v1',
  isStamped: true,
  confirm: (to, ref, streams, recovered) => `{"type":"confirm_subscription",${address(to)}${tag('ref', ref)},"streams":${JSON.stringify(streams)},"recovered":${recovered}}`,
  reject: (to, ref, reason) => `{"type":"reject_subscription",${address(to)}${tag('ref', ref)}${tag('reason', reason)}}`,
  lane: () => 'channels-v1',
  broadcast: (_lane, stream, at, json) => `{"type":"broadcast",${place(stream, at)},"data":${json}}`,
  stamp: (stream, at) => `{"type":"broadcast",${place(stream, at)}}`,
  replay: (ref, stream, at, json) => `{"type":"broadcast",${place(stream, at)}${tag('ref', ref)}${json === null ? '' : `,"data":${json}`}}`,
  gap: (stream, at) => `{"type":"gap",${place(stream, at)}}`,
  streams: (to, streams) => `{"type":"streams",${address(to)},"streams":${JSON.stringify(streams)}}`,
  ping: spread => spread > 0 ? `{"type":"ping","spread":${spread}}` : '{"type":"ping"}',
  disconnect: (reason, reconnect, retryIn) => `{"type":"disconnect","reason":${JSON.stringify(reason)},"reconnect":${reconnect}${tag('retryIn', retryIn)}}`
}

/** Subprotocol → dialect. */
export const dialects: ReadonlyMap<string, Dialect> = new Map([[plain.name, plain], [v1.name, v1]])

/** The dialect for what a client offered: the first one of ours, else the plain one. Nothing else is ever echoed. */
export function chooseDialect (offered: Iterable<string>): Dialect {
  for (const name of offered) {
    const dialect = dialects.get(name)
    if (dialect !== undefined) return dialect
  }
  return plain
}
