// What travels through Redis: only what is needed, nothing of anybody else's, and whatever strangers put there harms nobody.
import fc from 'fast-check'
import { test } from 'tap'
import type { Test } from 'tap'
import type { BackendHost, Broadcast } from 'fastify-channels'
import { Redis } from 'ioredis'
import { MAX_BYTES, readEnvelope, writeEnvelope } from '../src/envelope.ts'
import { Keys } from '../src/keys.ts'
import { kept, Peer } from './peer.ts'
import { Server, until } from './servers.ts'

const keys = new Keys('channels:cable:')

async function start (t: Test): Promise<Server> {
  const server = await Server.start()
  t.teardown(() => server.stop())
  return server
}

async function open (t: Test, ...args: Parameters<typeof Peer.open>): Promise<Peer> {
  const peer = await Peer.open(...args)
  t.teardown(() => peer.close())
  return peer
}

test('a process is sent only what somebody in it listens to', async t => {
  const server = await start(t)
  const [a, b] = [await open(t, { url: server.url }), await open(t, { url: server.url })]
  const channelsOf = async () => (await server.tell('pubsub', 'channels') as string[]).filter(channel => /\}s:/.test(channel))
  await a.publish('s', 1)
  t.same(await channelsOf(), [])
  await a.listen('s')
  await b.listen('s')
  await b.listen('other')
  t.same((await channelsOf()).sort(), [keys.stream('other').channel, keys.stream('s').channel].sort())
  t.same(await server.tell('pubsub', 'numsub', keys.stream('s').channel), [keys.stream('s').channel, 2])
  await a.backend.unlisten('s')
  await until(async () => (await server.tell('pubsub', 'numsub', keys.stream('s').channel) as unknown[])[1] === 1)
  await b.backend.unlisten('s')
  await b.backend.unlisten('other')
  await b.backend.unlisten('never')
  await until(async () => (await channelsOf()).length === 0)
})

test('what is published in one turn leaves in one write', async t => {
  const server = await start(t)
  const a = await open(t, { url: server.url })
  const reads = async () => Number(/total_reads_processed:(\d+)/.exec(String(await server.tell('info', 'stats')))![1])
  await a.publish('s', 'warm')
  const before = await reads()
  await Promise.all(Array.from({ length: 200 }, (_, index) => a.publish(`s ${index % 7}`, index)))
  // The question itself takes some reads too: a connection, its greeting, and INFO.
  t.ok(await reads() - before < 20)
})

test('apps with nested prefixes, and apps in other databases, never hear each other', async t => {
  const server = await start(t)
  const base = server.url.slice(0, -1)
  const apps = await Promise.all([['a:', 0], ['a:s:', 0], ['a:a:', 0], ['A:', 0], ['a:', 3]].map(([prefix, db]) => open(t, { url: `${base}${db}`, prefix: String(prefix) })))
  const names = ['x', 's:x', 'a:x', ':x', '*', '[a]', '?', '\n', '{x}', '}', '{p1}s:x', 'é', 'x'.repeat(500)]
  await Promise.all(apps.flatMap(app => names.map(stream => app.listen(stream))))
  await Promise.all(apps.flatMap((app, index) => names.flatMap(stream => [app.publish(stream, index), app.publish(stream, index, null)])))
  for (const [index, app] of apps.entries()) {
    for (const stream of names) {
      await app.hears(stream, 2)
      t.same(app.heard(stream), [index, index])
    }
    await app.backend.control(`"${index}"`)
  }
  for (const [index, app] of apps.entries()) {
    await until(() => app.controls.length > 0)
    await app.publish('x', 'fence')
    await app.hears('x', 3)
    t.same(app.controls, [`"${index}"`])
    t.same(names.map(stream => app.faults(stream)).flat(), [])
  }
})

test('whatever else is published on our channels is ignored, and said once', async t => {
  const server = await start(t)
  const [a, b] = [await open(t, { url: server.url }), await open(t, { url: server.url })]
  await b.listen('s')
  const stranger = new Redis(server.port, '127.0.0.1')
  t.teardown(() => stranger.disconnect())
  const good = writeEnvelope('0 channels:cable:', 'id', null, '1').replace('null}', '"e.1"}')
  t.ok(readEnvelope('0 channels:cable:', Buffer.from(good)), 'the model of all the bad ones is good')
  const bad: Array<string | Buffer> = [
    '', 'null', '1', '[]', '{', '\n', '\n\n', '{}\n{}', 'null\n1', '[]\n1', 'x'.repeat(5_000_000), Buffer.from([0xff]),
    Buffer.concat([Buffer.from(good), Buffer.from([0xff])]),
    good.replace('"v":1', '"v":2'), good.replace('"v":1', '"v":"1"'), good.replace('"v":1,', ''),
    good.replace('0 channels', '1 channels'), good.replace('"a":"0 channels:cable:",', ''),
    good.replace('"i":"id"', '"i":1'), good.replace('"i":"id"', '"i":""'), good.replace('"i":"id"', `"i":"${'i'.repeat(300)}"`),
    good.replace('"x":null', '"x":1'), good.replace('"x":null', '"x":{"toString":1}'), good.replace('"x":null,', ''),
    good.replace('"e.1"', '"e.-1"'), good.replace('"e.1"', '"e"'), good.replace('"e.1"', '1'), good.replace('"e.1"', '"e.1e3"'), good.replace('"e.1"', '{"__proto__":1}'),
    good.slice(0, -1), good + '}', good + ',"type":"disconnect"', good.replace('\n', ''),
    good.replace(/1$/, '"' + 'x'.repeat(MAX_BYTES) + '"')
  ]
  for (const payload of bad) {
    for (const channel of [keys.stream('s').channel]) await stranger.publish(channel, payload)
  }
  for (const payload of ['', 'null', '{', '{}\n{}', 'x'.repeat(2_000_000)]) await stranger.publish(keys.control, payload)
  const { channel } = keys.stream('s')
  const seed = Date.now()
  t.comment(`seed ${seed}`)
  const mutated = fc.tuple(fc.nat(good.indexOf('"i"')), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good)
    bytes[at] = byte
    return bytes.toString() === good ? Buffer.from('{') : bytes
  })
  const anything = fc.oneof(fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)), fc.string({ unit: 'binary', maxLength: 200 }), fc.json().map(head => `${head}\n{}`), mutated)
  await Promise.all(fc.sample(anything, { numRuns: 2000, seed }).map(payload => stranger.publish(channel, payload)))
  await a.publish('s', 'good')
  await a.backend.control('"good"')
  await b.hears('s', 1)
  await until(() => b.controls.length > 0)
  t.same(b.heard('s'), ['good'])
  t.same(b.controls, ['"good"'])
  t.same(b.faults('s'), [])
  t.same(b.logged.map(({ text }) => text), ['the cable ignores what is no broadcast of this app'])
  t.ok(Number(b.health().ignored) > bad.length)
  t.equal(({} as { 1?: unknown })[1], undefined)
})

test('a control channel takes what is no JSON, as it is', async t => {
  const server = await start(t)
  const a = await open(t, { url: server.url })
  await a.backend.control('not\njson {')
  await until(() => a.controls.length > 0)
  t.same(a.controls, ['not\njson {'])
})

test('a broadcast of almost a megabyte arrives, and a bigger one is refused to its publisher', async t => {
  const server = await start(t)
  const [a, b] = [await open(t, { url: server.url }), await open(t, { url: server.url })]
  await b.listen('s')
  const big = 'x'.repeat(MAX_BYTES - 500)
  await a.publish('s', big)
  await b.hears('s', 1)
  t.same(b.heard('s'), [big])
  for (const history of [kept, null]) await t.rejects(a.publish('s', 'é'.repeat(MAX_BYTES / 2), history), { code: 'FST_CHANNELS_PAYLOAD_TOO_LARGE', message: /at most 1 MiB/ })
})

test('an app that fails to deliver does no harm to the next broadcast', async t => {
  const server = await start(t)
  const a = await open(t, { url: server.url })
  let failures = 0
  const broken = new Peer(a.backend)
  await a.close()
  const app = { log: { warn () {}, info () {}, error () { failures++ } } }
  const heard: string[] = []
  const refuse = () => { throw new Error('no') }
  const deliver = (_stream: string, { json }: Broadcast) => {
    heard.push(json)
    refuse()
  }
  await broken.backend.open({ ...app, app, deliver, control: refuse, gap: refuse } as unknown as BackendHost)
  await broken.backend.listen('s')
  await broken.publish('s', 1)
  await broken.publish('s', 2)
  await broken.backend.control('x')
  await until(() => heard.length === 2 && failures === 3)
  t.same(heard, ['1', '2'])
  await broken.close()
})
