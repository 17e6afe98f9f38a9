// A broadcast on its way through Redis: one line of JSON about it, then the payload as it is. Trusts nothing that comes back.
import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { isObject, isPosition } from '@fastify-channels/protocol'
import type { Broadcast } from 'fastify-channels'

/** Bytes of an envelope; a longer one is not published and not read. */
export const MAX_BYTES = 1024 * 1024
const VERSION = 1

/** What an envelope holds. */
export interface Envelope {
  /** Tells it from every other one: two broadcasts at one position are not the same. */
  readonly id: string
  readonly broadcast: Broadcast
}

/** The first line up to the position, which Redis fills in. */
export function writeHead (app: string, id: string, except: string | null): string {
  return `${JSON.stringify({ v: VERSION, a: app, i: id, x: except }).slice(0, -1)},"at":`
}

/** A whole envelope of something that is not kept. */
export function writeEnvelope (app: string, id: string, except: string | null, payload: string): string {
  return `${writeHead(app, id, except)}null}\n${payload}`
}

/** Reads an envelope of this app's; null for anything else, whoever sent it. */
export function readEnvelope (app: string, bytes: Buffer): Envelope | null {
  if (bytes.length > MAX_BYTES || !isUtf8(bytes)) return null
  const text = bytes.toString()
  const end = text.indexOf('\n')
  if (end < 0) return null
  const head = parse(text.slice(0, end))
  if (!isObject(head)) return null
  const { v, a, i, x, at } = head
  if (v !== VERSION || a !== app || !isShort(i) || (x !== null && !isShort(x)) || (at !== null && !isPosition(at))) return null
  return { id: i, broadcast: { at, json: text.slice(end + 1), except: x } }
}

/** A name nothing had before: for the numbering of a stream, or an author of envelopes. */
export function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}

/** True for text that may stand in a frame. */
export function isJson (text: string): boolean {
  return parse(text) !== undefined
}

function isShort (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 256
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
