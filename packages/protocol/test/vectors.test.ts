import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import {
  canonical, chooseDialect, closeCodes, commandLimits, dialects, distance, identify, isPosition, isTerminal, parsePosition, plain, readCommand, readFrame, readSince, v1, writeSince
} from '../src/index.ts'
import type { Dialect, Json, Position, Positions } from '../src/index.ts'

/** The shapes of vectors.json (PROTOCOL, appendix). */
interface Vectors {
  limits: object
  subprotocols: Array<{ offered: string[], chosen: string }>
  commands: Array<{ name: string, text: string, expect: { [key: string]: Json } }>
  identities: Array<{ name: string, same: boolean, a: Side, b: Side }>
  frames: Array<{ name: string, dialect: string, frame: any, text: string }>
  ignored: Array<{ name: string, text: string }>
  positions: Array<{ text: string, epoch: string | null, offset: number | null }>
  distances: Array<{ from: Position, to: Position, distance: number | null }>
  since: Array<{ name: string, text: string, positions: Positions | null }>
  closeCodes: Array<{ code: number, name: string | null, reconnect: boolean }>
}

interface Side {
  channel: string
  params: string
}

// By its public name: what is tested is what is published.
const vectors: Vectors = createRequire(import.meta.url)('@fastify-channels/protocol/vectors.json')

/** What readCommand makes of a text, in the words of the vectors. */
function read (text: string): object {
  const command = readCommand(text)
  if (command.command === 'refused') return { refused: command.reason, id: command.id }
  const { key, positions, ...rest } = command as { key?: string, positions?: ReadonlyMap<string, Position> | null }
  return JSON.parse(JSON.stringify({ ...rest, ...positions === undefined ? {} : { positions: positions && Object.fromEntries(positions) } }))
}

/** Writes a frame the way a server does, by the method its fields call for. */
function write (dialect: Dialect, frame: any): string | null {
  const { type, channel, params, ref = null, reason = null, stream, at = null, streams, data } = frame
  const to = { channel, params }
  const json = JSON.stringify(data)
  switch (type) {
    case 'confirm_subscription': return dialect.confirm(to, ref, streams, frame.recovered)
    case 'reject_subscription': return dialect.reject(to, ref, reason)
    case 'message': return dialect.message(to, json)
    case 'reply': return dialect.reply(frame.id, frame.status === 'ok' ? { ok: true, json } : { ok: false, reason, json })
    case 'error': return dialect.error(reason)
    case 'broadcast':
      if ('ref' in frame) return dialect.replay(ref, stream, at, json ?? null)
      return 'data' in frame ? dialect.broadcast(dialect.lane(to), stream, at, json) : dialect.stamp(stream, at)
    case 'gap': return dialect.gap(stream, at)
    case 'streams': return dialect.streams(to, streams)
    case 'ping': return dialect.ping(frame.spread ?? 0)!
    case 'disconnect': return dialect.disconnect(reason, frame.reconnect, frame.retryIn ?? null)
    default: throw new Error(`no dialect writes a frame of type ${type}`)
  }
}

function named (dialect: string): Dialect {
  return dialects.get(dialect === 'plain' ? '' : dialect)!
}

function keyOf ({ channel, params }: Side): string {
  const command = readCommand(`{"command":"subscribe","channel":${JSON.stringify(channel)},"params":${params}}`)
  if (command.command !== 'subscribe') throw new Error(`${params} is refused`)
  return command.key
}

t.test('every command is read, or refused, as the vectors say', async t => {
  // Not by t.strictSame: it asks values for their constructor, and some of these have one of their own.
  for (const { name, text, expect } of vectors.commands) t.ok(isDeepStrictEqual(read(text), expect), name, { found: read(text), wanted: expect })
})

t.test('a command knows the identity of its subscription', async t => {
  for (const command of ['subscribe', 'message', 'unsubscribe']) {
    t.match(readCommand(`{"command":"${command}","channel":"C","params":{"b":1,"a":2}}`), { key: identify('C', { a: 2, b: 1 }) })
  }
})

t.test('every frame is written by its dialect to the letter, and reads back as what it was', async t => {
  for (const { name, dialect, frame, text } of vectors.frames) {
    t.equal(write(named(dialect), frame), text, `${dialect}: ${name}`)
    t.strictSame(readFrame(text), frame, `${dialect}: ${name}, read`)
  }
})

t.test('every frame of every dialect has a vector', async t => {
  const types = (dialect: string) => [...new Set(vectors.frames.filter(vector => vector.dialect === dialect).map(({ frame }) => frame.type))].sort()
  t.same(types('plain'), ['confirm_subscription', 'error', 'message', 'reject_subscription', 'reply'])
  t.same(types('channels-v1'), ['broadcast', 'confirm_subscription', 'disconnect', 'error', 'gap', 'message', 'ping', 'reject_subscription', 'reply', 'streams'])
})

t.test('the plain dialect has no word for what the guide does not know', async t => {
  t.equal(plain.ping(4000), null)
  t.equal(plain.stamp('chat_1', 'k3f9.1'), null)
  t.equal(plain.gap('chat_1', 'k3f9.1'), null)
  t.equal(plain.replay(1, 'chat_1', 'k3f9.1', '{}'), null)
  t.equal(plain.streams({ channel: 'C', params: {} }, {}), null)
  t.equal(plain.disconnect('server_restart', true, 5), null)
})

t.test('a broadcast of the plain dialect is a message to each subscription', async t => {
  const lane = plain.lane({ channel: 'C', params: { a: 1 } })
  t.equal(plain.broadcast(lane, 'chat_1', 'k3f9.1', '0'), plain.message({ channel: 'C', params: { a: 1 } }, '0'))
  t.not(lane, plain.lane({ channel: 'C', params: { a: 2 } }))
})

t.test('in channels-v1 all listeners of a stream share one frame', async t => {
  t.equal(v1.lane({ channel: 'C', params: { a: 1 } }), v1.lane({ channel: 'D', params: {} }))
})

t.test('what is no frame, or none we know, is never an error', async t => {
  const known = new Set(vectors.frames.map(({ frame }) => frame.type))
  for (const { name, text } of vectors.ignored) {
    const frame = readFrame(text)
    t.ok(frame === null || !known.has(frame.type) || /nobody|never/.test(name), name)
  }
  for (const text of ['not json', 'null', '[]', '{}', '{"type":1}', '{"type":null}']) t.equal(readFrame(text), null, text)
  for (const data of [undefined, null, new ArrayBuffer(2), {}, Symbol('s')]) t.equal(readFrame(data), null, typeof data)
})

t.test('the same subscription has one identity, another one another', async t => {
  for (const { name, same, a, b } of vectors.identities) t.equal(keyOf(a) === keyOf(b), same, name)
})

t.test('a canonical value is the same value', async t => {
  const value = { b: [3, { d: null, c: '' }], a: { z: true, y: 0.5 } }
  t.strictSame(canonical(value), value)
  t.equal(JSON.stringify(canonical(value)), '{"a":{"y":0.5,"z":true},"b":[3,{"c":"","d":null}]}')
})

t.test('a subprotocol is one of ours or none', async t => {
  for (const { offered, chosen } of vectors.subprotocols) t.equal(chooseDialect(new Set(offered)).name, chosen, JSON.stringify(offered))
})

t.test('a position is an epoch and an offset, or none at all', async t => {
  for (const { text, epoch, offset } of vectors.positions) {
    t.equal(isPosition(text), epoch !== null, JSON.stringify(text))
    t.strictSame(parsePosition(text), epoch === null ? null : { epoch, offset }, JSON.stringify(text))
  }
  for (const value of [null, undefined, 17, ['k3f9.17'], { e: 'k3f9', o: 17 }]) t.equal(parsePosition(value), null)
})

t.test('distances count broadcasts, within one epoch only', async t => {
  for (const { from, to, distance: expected } of vectors.distances) t.strictSame(distance(from, to), expected ?? NaN, `${from} to ${to}`)
  t.strictSame(distance('17', '18'), NaN, 'what is no position has no distance')
})

t.test('since carries positions through an attribute, and reads as null when it is broken', async t => {
  for (const { name, text, positions } of vectors.since) {
    t.strictSame(readSince(text), positions, name)
    if (positions === null) continue
    t.equal(writeSince(positions), text, `${name}, written`)
    t.match(text, /^[\w.~!*()%-]*$/, `${name}: nothing to escape`)
  }
  for (const value of [undefined, null, 17, {}, Symbol('s')]) t.equal(readSince(value), null)
})

t.test('a stream without a position is left out of since', async t => {
  t.equal(writeSince({ clock: null, chat_1: 'k3f9.17' }), writeSince({ chat_1: 'k3f9.17' }))
})

t.test('the code alone tells whether to come back', async t => {
  for (const { code, reconnect } of vectors.closeCodes) t.equal(isTerminal(code), !reconnect, String(code))
  const names = vectors.closeCodes.filter(({ name }) => name !== null).map(({ name, code }) => [name!, code])
  t.strictSame(Object.fromEntries(names), closeCodes, 'every code with a name is there')
})

t.test('the vectors are made for the limits a server has by itself', async t => {
  t.strictSame(vectors.limits, commandLimits)
})

const packages = fileURLToPath(new URL('../../', import.meta.url))
const protocol = readFileSync(join(packages, 'protocol/PROTOCOL.md'), 'utf8')

t.test('every example of PROTOCOL.md is a command that is taken, or a frame to the letter', async t => {
  const chapters = protocol.split(/^## /m)
  const examples = chapters.flatMap(chapter => [...chapter.matchAll(/^```json\n([^]*?)^```/gm)].flatMap(([, lines]) => lines!.trimEnd().split('\n').map(text => ({ text, dialect: chapter.startsWith('3.') ? plain : v1 }))))
  for (const { text, dialect } of examples) {
    const value = JSON.parse(text)
    if ('command' in value) t.not(readCommand(text).command, 'refused', text)
    else t.equal(write(dialect, value), text, text)
  }
  t.ok(examples.length > 15)
})

t.test('every section that a source cites is there', async t => {
  const sections = new Set([...protocol.matchAll(/^#+ (\d(?:\.\d+)?)/gm)].map(([, number]) => number))
  const sources = readdirSync(packages, { recursive: true, encoding: 'utf8' }).filter(file => /^[\w-]+[\\/]src[\\/].*\.ts$/.test(file))
  const cited = sources.flatMap(file => [...readFileSync(join(packages, file), 'utf8').matchAll(/PROTOCOL §(\d(?:\.\d+)?)/g)].map(([, number]) => ({ file, number })))
  for (const { file, number } of cited) t.ok(sections.has(number), `${file}: §${number}`)
  for (const [, number] of protocol.matchAll(/\[§(\d(?:\.\d+)?)\]/g)) t.ok(sections.has(number), `PROTOCOL.md: §${number}`)
  t.ok(cited.length > 10)
})

t.test('every link within PROTOCOL.md leads somewhere', async t => {
  const anchors = new Set([...protocol.matchAll(/^#+ (.*)$/gm)].map(([, title]) => `#${title!.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')}`))
  for (const [, anchor] of protocol.matchAll(/\]\((#[^)]*)\)/g)) t.ok(anchors.has(anchor!), `${anchor}`)
})

t.test('PROTOCOL.md knows every reason and every close code there is', async t => {
  const reasons = [...new Set(vectors.frames.map(({ frame }) => frame.reason).filter(reason => typeof reason === 'string'))]
  for (const reason of reasons) t.ok(protocol.includes(`\`${reason}\``) || protocol.includes(`"${reason}"`), reason)
  for (const code of Object.values(closeCodes)) t.match(protocol, new RegExp(`^\\| [^|]*\\b${code}\\b`, 'm'), String(code))
})
