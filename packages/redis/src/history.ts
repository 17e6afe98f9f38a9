// The history of streams as Redis keeps it: appends, and reads back all or nothing.
import { parsePosition } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { Broadcast, Retention } from 'fastify-channels'
import type { Commands } from './commands.ts'
import { MAX_BYTES, newEpoch, writeEnvelope, writeHead } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { PayloadTooLarge } from './errors.ts'
import { format } from './heard.ts'
import type { Place, Reading } from './heard.ts'
import type { StreamKeys } from './keys.ts'
import { Reader } from './reader.ts'
import { publish } from './scripts.ts'

/** What the script adds to an envelope at most. */
const POSITION_BYTES = 96

export class History {
  readonly #commands: Commands
  readonly #reader: Reader
  readonly #app: string
  readonly #author = newEpoch()
  #count = 0

  /** @param app what tells this app's envelopes from others' */
  constructor (commands: Commands, app: string) {
    this.#commands = commands
    this.#reader = new Reader(commands, app)
    this.#app = app
  }

  /** Publishes a broadcast; numbered and kept in the same step, unless `retention` is null. */
  async publish (stream: StreamKeys, json: string, except: string | null, retention: Retention | null): Promise<Position | null> {
    const { part, channel, meta, history, epoch } = stream
    if (retention === null) {
      await this.#commands.publish(part, channel, this.#envelope(except, json))
      return null
    }
    const head = writeHead(this.#app, this.#nextId(), except)
    checkSize(head, json)
    const { size, ttl } = retention
    return await this.#commands.run(publish, part, [meta, history, epoch], [newEpoch(), size, ttl, this.#commands.publishCommand, channel, head, json]) as Position
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
    const { at } = await this.#reader.ask(keys)
    return at
  }

  /** What came after `since`. With the `id` of what stood there, a history that was rewritten is known as one. */
  async after (keys: StreamKeys, since: Place, id: string | null): Promise<Reading> {
    const before = id === null || since.offset === 0 ? 0 : 1
    const { at, kept } = await this.#reader.ask(keys, since.epoch, since.offset - before)
    const count = at.offset - since.offset
    if (at.epoch !== since.epoch || count < 0) return { at, missed: null }
    const isThere = before === 1 && kept.length > count
    if (isThere && kept[0]!.id !== id) return { at, missed: null }
    const missed = isThere ? kept.slice(1) : kept
    return { at, missed: isRun(missed, since, count) ? missed : null }
  }

  /** The broadcasts after `since` up to `upTo`; null where not all of them are there. */
  async between (keys: StreamKeys, since: Position, upTo: Position): Promise<readonly Broadcast[] | null> {
    const from = parsePosition(since)
    const to = parsePosition(upTo)
    if (from === null || to === null || from.epoch !== to.epoch || to.offset < from.offset) return null
    if (to.offset === from.offset) return []
    const { at, kept } = await this.#reader.ask(keys, from.epoch, from.offset, to.offset)
    if (at.epoch !== from.epoch || !isRun(kept, from, to.offset - from.offset)) return null
    return kept.map(({ broadcast }) => broadcast)
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

/** True when these are the `count` broadcasts after `since`, each in its place. */
function isRun (kept: readonly Envelope[], { epoch, offset }: Place, count: number): boolean {
  return kept.length === count && kept.every(({ broadcast }, index) => broadcast.at === `${epoch}.${offset + index + 1}`)
}

function checkSize (head: string, payload: string): void {
  const bytes = Buffer.byteLength(head) + Buffer.byteLength(payload)
  if (bytes + POSITION_BYTES > MAX_BYTES) throw new PayloadTooLarge(bytes)
}
