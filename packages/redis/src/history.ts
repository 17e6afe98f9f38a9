// The history of streams as Redis keeps it: appends, and reads back all or nothing.
import { randomBytes } from 'node:crypto'
import { parsePosition } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { Broadcast, Retention } from 'fastify-channels'
import type { Commands } from './commands.ts'
import { MAX_BYTES, readEnvelope, writeEnvelope, writeHead } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { PayloadTooLarge } from './errors.ts'
import { format } from './heard.ts'
import type { Place, Reading } from './heard.ts'
import type { StreamKeys } from './keys.ts'
import { publish, read } from './scripts.ts'

/** What the script adds to an envelope at most. */
const POSITION_BYTES = 96

export class History {
  readonly #commands: Commands
  readonly #app: string
  readonly #author = randomBytes(6).toString('base64url')
  #count = 0

  /** @param app what tells this app's envelopes from others' */
  constructor (commands: Commands, app: string) {
    this.#commands = commands
    this.#app = app
  }

  /** Publishes a broadcast; numbered and kept in the same step, unless `retention` is null. */
  async publish (keys: StreamKeys, json: string, except: string | null, retention: Retention | null): Promise<Position | null> {
    const { part, channel } = keys
    if (retention === null) {
      await this.#commands.publish(part, channel, this.#envelope(except, json))
      return null
    }
    const head = writeHead(this.#app, this.#nextId(), except)
    checkSize(head, json)
    const { size, ttl } = retention
    return await this.#commands.run(publish, part, named(keys), [newEpoch(), size, ttl, this.#commands.publishCommand, channel, head, json]) as Position
  }

  /** Publishes something beside the streams. */
  async say (part: number, channel: string, text: string): Promise<void> {
    await this.#commands.publish(part, channel, this.#envelope(null, text))
  }

  /** Where a stream stands, for everybody; null where that is not known. */
  async position (keys: StreamKeys): Promise<Position | null> {
    return await this.place(keys).then(format, () => null)
  }

  /** Where a stream stands. */
  async place (keys: StreamKeys): Promise<Place> {
    const { at } = await this.#read(keys, '', '', '')
    return at
  }

  /** What came after `since`. With the `id` of what stood there, a history that was rewritten is known as one. */
  async after (keys: StreamKeys, since: Place, id: string | null): Promise<Reading> {
    const before = id === null || since.offset === 0 ? 0 : 1
    const { at, kept } = await this.#read(keys, since.epoch, since.offset - before, '')
    const count = at.offset - since.offset
    if (at.epoch !== since.epoch || count < 0) return { at, missed: null }
    const known = before === 1 && kept.length > count ? kept.shift()! : null
    if (known !== null && known.id !== id) return { at, missed: null }
    return { at, missed: isRun(kept, since, count) ? kept : null }
  }

  /** The broadcasts after `since` up to `upTo`; null where not all of them are there. */
  async between (keys: StreamKeys, since: Position, upTo: Position): Promise<readonly Broadcast[] | null> {
    const from = parsePosition(since)
    const to = parsePosition(upTo)
    if (from === null || to === null || from.epoch !== to.epoch || to.offset < from.offset) return null
    if (to.offset === from.offset) return []
    const { at, kept } = await this.#read(keys, from.epoch, from.offset, to.offset)
    if (at.epoch !== from.epoch || !isRun(kept, from, to.offset - from.offset)) return null
    return kept.map(({ broadcast }) => broadcast)
  }

  async #read (keys: StreamKeys, epoch: string, after: number | '', upTo: number | ''): Promise<{ at: Place, kept: Envelope[] }> {
    const [found, offset, kept] = await this.#commands.run(read, keys.part, named(keys), [newEpoch(), epoch, after, upTo]) as [string, string, string[]]
    return { at: { epoch: found, offset: Number(offset) }, kept: kept.map(text => readEnvelope(this.#app, Buffer.from(text))).filter(envelope => envelope !== null) }
  }

  #envelope (except: string | null, payload: string): string {
    const envelope = writeEnvelope(this.#app, this.#nextId(), except, payload)
    checkSize(envelope, '')
    return envelope
  }

  #nextId (): string {
    return `${this.#author}-${(++this.#count).toString(36)}`
  }
}

function named ({ meta, history, epoch }: StreamKeys): string[] {
  return [meta, history, epoch]
}

/** True when these are the `count` broadcasts after `since`, each in its place. */
function isRun (kept: readonly Envelope[], { epoch, offset }: Place, count: number): boolean {
  return kept.length === count && kept.every(({ broadcast }, index) => broadcast.at === `${epoch}.${offset + index + 1}`)
}

function checkSize (head: string, payload: string): void {
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(payload)
  if (bytes + POSITION_BYTES > MAX_BYTES) throw new PayloadTooLarge(bytes)
}

function newEpoch (): string {
  return randomBytes(6).toString('base64url')
}
