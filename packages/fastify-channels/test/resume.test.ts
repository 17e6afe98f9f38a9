// Coming back: what a client missed is told again, whole and in order, or it is told that something is lost (DESIGN §3, §4; PROTOCOL §4.4, §4.5).
import { once } from 'node:events'
import { Channel } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import type { ConnectOptions, TestConnection } from 'fastify-channels/testing'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { WebSocket } from 'ws'
import { InProcessBackend } from '../src/in-process.ts'
import { address, fence, gate, listening, setting } from './setting.ts'
import type { Gate } from './setting.ts'

const v1 = { protocols: 'channels-v1' }
const ROOM = 'RoomChannel'
const gates = new Map<string, Gate<boolean>>()

class RoomChannel extends Channel<{ streams: string[], n?: number, waits?: string }> {
  async subscribed () {
    for (const stream of this.params.streams) this.streamFrom(stream)
    if (this.params.waits !== undefined && !await gates.get(this.params.waits)) this.reject()
    if (this.params.n === 7) this.send('sent')
  }

  start (stream: string) { this.streamFrom(stream) }
  stop (stream: string) { this.stopStreamFrom(stream) }
  async say ([stream, data]: [string, unknown]) { await this.broadcast(stream, data, { except: this.tab }) }
}

const channels = { RoomChannel }
const place = (epoch: string, offset: number) => `${epoch.split('.')[0]}.${offset}`

/** An app and where its streams stand at the beginning. */
async function room (t: any, options: FastifyChannelsOptions = {}): Promise<{ app: FastifyInstance, start: string, say: (stream: string, ...all: unknown[]) => Promise<void>, open: (options?: ConnectOptions) => Promise<TestConnection> }> {
  const { app } = await setting(t, { channels, ...options })
  const start = place(await standsAt(app, 'somewhere'), 0)
  return {
    app,
    start,
    say: async (stream, ...all) => { for (const data of all) await app.cable.broadcast(stream, data) },
    open: (options = v1) => connect(app, options)
  }
}

async function standsAt (app: FastifyInstance, stream: string): Promise<string> {
  const { since } = await app.cable.snapshot(stream, () => {})
  return JSON.parse(decodeURIComponent(since!))[stream]
}

interface Ask {
  readonly streams: string[]
  readonly n?: number
  readonly waits?: string
}

let refs = 0

/** Subscribes with positions: the frames up to the answer, and the answer. */
async function resume (ws: TestConnection, params: Ask, positions: unknown, tab?: string): Promise<[any[], any]> {
  const ref = ++refs
  ws.send({ command: 'subscribe', channel: ROOM, params, ref, positions, tab })
  return await answer(ws, ref)
}

async function answer (ws: TestConnection, ref: number): Promise<[any[], any]> {
  const before: any[] = []
  for (;;) {
    const frame = await ws.receive() as any
    if (frame.type !== 'broadcast' && frame.ref === ref) return [before, frame]
    before.push(frame)
  }
}

async function next (ws: TestConnection, count: number): Promise<any[]> {
  const frames = []
  while (frames.length < count) frames.push(await ws.receive())
  return frames
}

const datas = (frames: any[]) => frames.map(({ data }) => data)

t.test('who comes back is told what was missed, in order, ahead of the confirmation and for its ref alone', async t => {
  const { start, say, open } = await room(t)
  await say('a', 'one', 'two')
  await say('b', 'other')
  await say('a', 'three')
  const ws = await open()
  const [replayed, confirm] = await resume(ws, { streams: ['a', 'b'], n: 7 }, { a: place(start, 1), b: place(start, 0) })
  const { ref } = confirm
  t.strictSame(replayed, [
    { type: 'message', channel: ROOM, params: { streams: ['a', 'b'], n: 7 }, data: 'sent' },
    { type: 'broadcast', stream: 'a', at: place(start, 2), ref, data: 'two' },
    { type: 'broadcast', stream: 'a', at: place(start, 3), ref, data: 'three' },
    { type: 'broadcast', stream: 'b', at: place(start, 1), ref, data: 'other' }
  ], 'what the channel sent comes first')
  t.strictSame(confirm, { type: 'confirm_subscription', channel: ROOM, params: { streams: ['a', 'b'], n: 7 }, ref, streams: { a: place(start, 3), b: place(start, 1) }, recovered: true })
  await say('a', 'live')
  t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'a', at: place(start, 4), data: 'live' })
})

t.test('recovered: true where nothing is missing, false where something is lost, null where nothing was asked', async t => {
  const { start, say, open } = await room(t, { history: { size: 2 } })
  await say('a', 1, 2, 3)
  await say('b', 1)
  const rows: Array<[object | null, boolean | null, unknown[]]> = [
    [null, null, []],
    [{}, null, []],
    [{ elsewhere: place(start, 1) }, null, []],
    [{ a: place(start, 3) }, true, []],
    [{ a: place(start, 1) }, true, [2, 3]],
    [{ a: place(start, 0) }, false, []],
    [{ a: place(start, 4) }, false, []],
    [{ a: 'other.3' }, false, []],
    // Everything or nothing: what of b could be told would be a part.
    [{ a: place(start, 0), b: place(start, 0) }, false, []],
    [{ a: place(start, 1), b: place(start, 0) }, true, [2, 3, 1]],
    [{ b: place(start, 0) }, true, [1]]
  ]
  for (const [positions, recovered, heard] of rows) {
    const ws = await open()
    const [replayed, confirm] = await resume(ws, { streams: ['a', 'b'] }, positions)
    t.match(confirm, { recovered, streams: { a: place(start, 3), b: place(start, 1) } }, JSON.stringify(positions))
    t.same(datas(replayed), heard)
    await fence(t, ws, 'and no more', ROOM, { streams: ['a', 'b'] })
    await ws.close()
  }
})

t.test('positions are untrusted', async t => {
  const { start, say, open } = await room(t)
  await say('a', 'mine')
  await say('inbox_of_bob', 'a secret')

  t.test('malformed ones count as not given (corpus row 90)', async t => {
    for (const positions of ['nope', 7, [], true, { a: 'nope' }, { a: { e: 'xyz', o: 1 } }, { a: { e: '0000abcd', o: -1 } }, { a: true }, { a: 1e99 }, { a: `${start.split('.')[0]}.-1` }, { a: `${start.split('.')[0]}.1e1` }, { a: `${start} ` }, { a: `${'x'.repeat(65)}.1` }, { a: null }, { a: '' }, { '': start }]) {
      const ws = await open()
      const [replayed, confirm] = await resume(ws, { streams: ['a'] }, positions)
      t.match(confirm, { type: 'confirm_subscription', recovered: null, streams: { a: place(start, 1) } }, JSON.stringify(positions))
      t.same(replayed, [])
      await ws.close()
    }
  })

  t.test('100 may be given, and not one more (corpus row 90)', async t => {
    const ws = await open()
    const many = (count: number) => ({ a: place(start, 0), ...Object.fromEntries(Array.from({ length: count - 1 }, (_, n) => [`s${n}`, start])) })
    ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'] }, positions: many(101) })
    t.same(await ws.receive(), { type: 'error', reason: 'invalid_message' })
    const [replayed, confirm] = await resume(ws, { streams: ['a'] }, many(100))
    t.same([datas(replayed), confirm.recovered], [['mine'], true])
  })

  t.test('nothing is told of a stream the channel did not open (corpus row 91)', async t => {
    const ws = await open()
    const [replayed, confirm] = await resume(ws, { streams: ['a'] }, { a: place(start, 0), inbox_of_bob: place(start, 0) })
    t.same(datas(replayed), ['mine'])
    t.same([confirm.recovered, Object.keys(confirm.streams)], [true, ['a']])
    await say('inbox_of_bob', 'another')
    await fence(t, ws, 'silence', ROOM, { streams: ['a'] })
  })

  t.test('nothing is told to who is rejected', async t => {
    gates.set('door', gate())
    const ws = await open()
    const ref = ++refs
    ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'door' }, ref, positions: { a: place(start, 0) } })
    await ws.perform('NoChannel', '_fence')
    await say('a', 'held')
    gates.get('door')!.open(false)
    const [before, rejection] = await answer(ws, ref)
    t.same(before, [])
    t.match(rejection, { type: 'reject_subscription', ref })
    await say('a', 'later')
    await fence(t, ws, 'silence')
  })
})

t.test('subscribed() runs again for who comes back: what was allowed once is not allowed for ever', async t => {
  let isMember = true
  class ClubChannel extends Channel {
    static override actions = {}
    override subscribed () {
      if (!isMember) this.reject()
      this.streamFrom('club')
    }
  }
  const { app } = await setting(t, { channels: { ClubChannel } })
  const ws = await connect(app, v1)
  const { streams } = await ws.subscribe('ClubChannel') as any
  await ws.close()
  await app.cable.broadcast('club', 'for members')
  isMember = false
  const again = await connect(app, v1)
  again.send({ command: 'subscribe', channel: 'ClubChannel', ref: 1, positions: streams })
  t.same(await again.receive(), { type: 'reject_subscription', channel: 'ClubChannel', params: {}, ref: 1 })
  await fence(t, again, 'silence')
})

t.test('what is broadcast while one comes back stands after what was missed, once', async t => {
  class LateBackend extends InProcessBackend {
    readonly waiting: Gate[] = []
    override replay (stream: string, since: string, upTo: string): any {
      const waits = gate()
      this.waiting.push(waits)
      return waits.then(() => super.replay(stream, since, upTo))
    }
  }
  const cable = new LateBackend(1_000_000)
  const { start, say, open } = await room(t, { cable })
  await say('a', 1, 2)
  const ws = await open()
  gates.set('slow', gate())
  const ref = ++refs
  ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'slow' }, ref, positions: { a: place(start, 0) } })
  await ws.perform('NoChannel', '_fence')
  await say('a', 3)
  gates.get('slow')!.open(true)
  while (cable.waiting.length === 0) await new Promise(resolve => setImmediate(resolve))
  await say('a', 4)
  cable.waiting[0]!.open()
  const [replayed, confirm] = await answer(ws, ref)
  t.same(datas(replayed), [1, 2])
  t.match(confirm, { streams: { a: place(start, 2) }, recovered: true })
  await say('a', 5)
  const later = await next(ws, 3)
  t.same(later.map(({ at, data, ref }) => [at, data, ref]), [3, 4, 5].map(n => [place(start, n), n, undefined]))
})

t.test('under a storm of broadcasts whoever comes back hears each once, in order', async t => {
  const { app, start } = await room(t, { history: { size: 5000 } })
  let n = 0
  const over = new AbortController()
  const storm = (async () => {
    while (!over.signal.aborted) {
      for (let burst = 0; burst < 5; burst++) app.cable.broadcast('a', ++n)
      await new Promise(resolve => setImmediate(resolve))
    }
  })()
  let at = 0
  for (let round = 0; round < 20; round++) {
    const ws = await connect(app, v1)
    const [replayed, confirm] = await resume(ws, { streams: ['a'] }, { a: place(start, at) })
    t.equal(confirm.recovered, true)
    for (const frame of [...replayed, ...await next(ws, 10)]) {
      if (frame.data !== ++at) t.fail(`${frame.data} where ${at} was next`)
    }
    await ws.close()
  }
  over.abort()
  await storm
  t.ok(at > 200, `${at} of ${n}`)
})

t.test('two subscriptions of a connection on one stream', async t => {
  const params = [1, 2].map(n => ({ streams: ['a'], n }))

  t.test('come back from different places: each is told what it missed, and no more', async t => {
    const { start, say, open } = await room(t)
    await say('a', 1, 2, 3)
    const ws = await open()
    const [ahead] = await resume(ws, params[0]!, { a: place(start, 2) })
    t.same(datas(ahead), [3])
    const [behind, confirm] = await resume(ws, params[1]!, { a: place(start, 0) })
    t.same(behind.map(({ data, ref }) => [data, ref]), [1, 2, 3].map(n => [n, confirm.ref]), 'for it alone')
    await say('a', 4)
    t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'a', at: place(start, 4), data: 4 })
    await fence(t, ws, 'one frame for both', ROOM, params[0])
  })

  t.test('and broadcasts while the second is pending: it is confirmed where it began to listen, and they follow', async t => {
    const { start, say, open } = await room(t)
    await say('a', 1)
    const ws = await open()
    await resume(ws, params[0]!, null)
    gates.set('second', gate())
    const ref = ++refs
    ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'second' }, ref, positions: { a: place(start, 0) } })
    await ws.perform('NoChannel', '_fence')
    await say('a', 2)
    t.match(await ws.receive(), { data: 2 }, 'live, for the first')
    gates.get('second')!.open(true)
    const [replayed, confirm] = await answer(ws, ref)
    t.same(datas(replayed), [1])
    t.match(confirm, { streams: { a: place(start, 1) }, recovered: true })
    t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'a', at: place(start, 2), data: 2 }, 'again, and the first knows it by its position')
  })

  t.test('and what is not kept, while the second is pending: told to it alone, and in both cases once', async t => {
    const { app, open } = await room(t)
    const ws = await open()
    await resume(ws, params[0]!, null, 'my tab')
    gates.set('third', gate())
    const ref = ++refs
    ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'third' }, ref })
    await ws.perform('NoChannel', '_fence')
    await app.cable.broadcast('a', 'typing', { history: false })
    await app.cable.broadcast('a', 'not for me', { history: false, except: 'my tab' })
    t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'a', data: 'typing' })
    gates.get('third')!.open(true)
    const [alone] = await answer(ws, ref)
    t.strictSame(alone, [{ type: 'broadcast', stream: 'a', ref, data: 'typing' }])
    await fence(t, ws, 'no more', ROOM, params[0])
  })

  t.test('of which one leaves while the other stays', async t => {
    const { say, open } = await room(t)
    const ws = await open()
    for (const each of params) await resume(ws, each, null)
    ws.unsubscribe(ROOM, params[0])
    await ws.perform(ROOM, '_fence', null, params[0])
    await say('a', 1)
    t.match(await ws.receive(), { data: 1 })
  })
})

t.test('a second subscribe of what is confirmed fills a hole', async t => {
  const { start, say, open } = await room(t, { history: { size: 3 } })
  const ws = await open()
  const params = { streams: ['a', 'b'] }
  await resume(ws, params, null)
  await say('a', 1, 2, 3)
  await next(ws, 3)
  const [replayed, confirm] = await resume(ws, params, { a: place(start, 1), b: place(start, 0) })
  t.same(replayed.map(({ at, data, ref }) => [at, data, ref]), [2, 3].map(n => [place(start, n), n, confirm.ref]))
  t.match(confirm, { streams: { a: place(start, 3), b: place(start, 0) }, recovered: true })
  const [none, same] = await resume(ws, params, { a: place(start, 3) })
  t.same([none, same.recovered], [[], true])
  const [, plain] = await resume(ws, params, null)
  t.equal(plain.recovered, null)
  await say('a', 4)
  await next(ws, 1)
  const [lost, gap] = await resume(ws, params, { a: place(start, 0) })
  t.same([lost, gap.recovered, gap.streams.a], [[], false, place(start, 4)])
  await say('a', 5)
  t.match(await ws.receive(), { at: place(start, 5), data: 5 })
  await fence(t, ws, 'nothing twice', ROOM, params)
})

t.test('a tab that is left out moves on all the same, live and when it comes back', async t => {
  const { app, start, open } = await room(t)
  const [ana, bob] = [await open(), await open()]
  const params = { streams: ['a'] }
  await resume(ana, params, null, 'tab of ana')
  await resume(bob, params, null, 'tab of bob')
  await ana.perform(ROOM, 'say', ['a', 'by ana'], params)
  t.strictSame(await ana.receive(), { type: 'broadcast', stream: 'a', at: place(start, 1) })
  t.strictSame(await bob.receive(), { type: 'broadcast', stream: 'a', at: place(start, 1), data: 'by ana' })
  await app.cable.broadcast('a', null, { except: 'tab of bob' })
  t.strictSame(await bob.receive(), { type: 'broadcast', stream: 'a', at: place(start, 2) })
  t.strictSame(await ana.receive(), { type: 'broadcast', stream: 'a', at: place(start, 2), data: {} })
  await app.cable.broadcast('a', 'unkept', { except: 'tab of ana', history: false })
  t.match(await bob.receive(), { data: 'unkept' })
  await fence(t, ana, 'no frame where there is no place to tell', ROOM, params)
  const again = await open()
  const [replayed, { ref }] = await resume(again, params, { a: start }, 'tab of ana')
  t.strictSame(replayed, [{ type: 'broadcast', stream: 'a', at: place(start, 1), ref }, { type: 'broadcast', stream: 'a', at: place(start, 2), ref, data: {} }])
})

t.test('a tab that is left out while it is pending: the stamp waits with the rest', async t => {
  const { app, start, open } = await room(t)
  const ws = await open()
  gates.set('tab', gate())
  const ref = ++refs
  ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'tab' }, ref, tab: 'mine' })
  await ws.perform('NoChannel', '_fence')
  await app.cable.broadcast('a', 1, { except: 'mine' })
  await app.cable.broadcast('a', 2, { except: 'mine', history: false })
  await app.cable.broadcast('a', 3)
  gates.get('tab')!.open(true)
  await answer(ws, ref)
  t.strictSame(await next(ws, 2), [{ type: 'broadcast', stream: 'a', at: place(start, 1) }, { type: 'broadcast', stream: 'a', at: place(start, 2), data: 3 }])
  await fence(t, ws, 'no more')
})

t.test('streams that start and stop after the confirmation are told with their places', async t => {
  const { start, say, open } = await room(t)
  const ws = await open()
  const params = { streams: ['a'] }
  await say('b', 1, 2)
  await resume(ws, params, null)
  await ws.perform(ROOM, 'start', 'b', params)
  t.strictSame(await ws.receive(), { type: 'streams', channel: ROOM, params, streams: { a: start, b: place(start, 2) } })
  await say('b', 3)
  await say('a', 1)
  t.same((await next(ws, 2)).map(({ at }) => at), [place(start, 3), place(start, 1)])
  const [replayed, confirm] = await resume(ws, params, { b: place(start, 2) })
  t.same([datas(replayed), confirm.streams], [[3], { a: place(start, 1), b: place(start, 3) }], 'and they are asked for like the others')
  await ws.perform(ROOM, 'stop', 'a', params)
  t.strictSame(await ws.receive(), { type: 'streams', channel: ROOM, params, streams: { b: place(start, 3) } })
  const again = await open()
  const [none, { streams }] = await resume(again, params, { a: place(start, 1), b: place(start, 1) })
  t.same([none, streams], [[], { a: place(start, 1) }], 'a new connection has what subscribed() opens')
})

t.test('a gap of the backend is said', async t => {
  class HoleBackend extends InProcessBackend {
    host: any
    override open (host: any) {
      this.host = host
      return super.open(host)
    }
  }
  const cable = new HoleBackend(1_000_000)
  const { app, start, say, open } = await room(t, { cable })
  const params = { streams: ['a'] }

  t.test('to who listens, whatever the dialect can say of it', async t => {
    const [ws, plain] = [await open(), await open({})]
    await resume(ws, params, null)
    await plain.subscribe(ROOM, params)
    cable.host.gap('a', 'other.7')
    t.strictSame(await ws.receive(), { type: 'gap', stream: 'a', at: 'other.7' })
    cable.host.gap('a', null)
    t.strictSame(await ws.receive(), { type: 'gap', stream: 'a' })
    cable.host.gap('nobody listens to this', 'other.1')
    await fence(t, ws, 'no more', ROOM, params)
    await fence(t, plain, 'the plain dialect has no word for it', ROOM, params)
    await Promise.all([ws.close(), plain.close()])
  })

  t.test('to who is pending, with its confirmation: what it held before the gap is part of what is lost', async t => {
    for (const positions of [null, { a: start }]) {
      const ws = await open()
      gates.set('gap', gate())
      const ref = ++refs
      ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['a'], waits: 'gap' }, ref, positions })
      await ws.perform('NoChannel', '_fence')
      await say('a', 'held')
      await app.cable.broadcast('a', 'unkept', { history: false })
      const at = await standsAt(app, 'a')
      cable.host.gap('a', at)
      await say('a', 'after')
      gates.get('gap')!.open(true)
      const [, confirm] = await answer(ws, ref)
      t.not(confirm.streams.a, at)
      t.strictSame(await next(ws, 2), [{ type: 'broadcast', stream: 'a', data: 'unkept' }, { type: 'gap', stream: 'a', at: await standsAt(app, 'a') }])
      await say('a', 'live')
      t.match(await ws.receive(), { data: 'live' })
      await ws.close()
    }
  })
})

t.test('a stream that keeps nothing has no place, also on a backend that answers later', async t => {
  class LaterBackend extends InProcessBackend {
    override listen (stream: string): any { return Promise.resolve(super.listen(stream)) }
  }
  const { app } = await setting(t, { channels, cable: new LaterBackend(1_000_000), history: stream => stream === 'typing' ? false : {} })
  const ws = await connect(app, v1)
  for (const n of [1, 2]) {
    const [, { streams }] = await resume(ws, { streams: ['a', 'typing'], n }, null)
    t.match(streams, { a: /^.+\.0$/, typing: null })
  }
})

t.test('a stream that cannot be listened to leaves nothing behind', async t => {
  class DeafBackend extends InProcessBackend {
    override listen (stream: string): any {
      if (stream === 'a') throw new Error('no redis')
      return super.listen(stream)
    }
  }
  const { app, say, open } = await room(t, { cable: new DeafBackend(1_000_000) })
  const ws = await open()
  ws.send({ command: 'subscribe', channel: ROOM, params: { streams: ['b', 'a'] }, ref: 1 })
  t.match(await ws.receive(), { type: 'reject_subscription', ref: 1, reason: 'error' })
  await say('a', 1)
  t.match(app.cable.health(), { subscriptions: 0, streams: 0 })
})

t.test('a restart of the in-process cable is told as a gap', async t => {
  const { start, say, open } = await room(t)
  await say('a', 1, 2)
  const before = await open()
  await resume(before, { streams: ['a'] }, null)
  const restarted = await room(t)
  await restarted.say('a', 1, 2, 3)
  const ws = await restarted.open()
  const [replayed, confirm] = await resume(ws, { streams: ['a'] }, { a: place(start, 2) })
  t.same([replayed, confirm.recovered, confirm.streams], [[], false, { a: place(restarted.start, 3) }])
  t.not(restarted.start, start)
})

t.test('the plain dialect is what it was, byte for byte', async t => {
  const { app, say } = await room(t)
  await listening(app)
  const ws = new WebSocket(`${address(app)}/cable`)
  const texts: string[] = []
  ws.on('message', data => texts.push(data.toString()))
  t.teardown(() => ws.terminate())
  await once(ws, 'open')
  const heard = async (count: number) => { while (texts.length < count) await once(ws, 'message') }
  await say('a', 'before')
  const params = '{"n":7,"streams":["a"]}'
  ws.send(`{"command":"subscribe","channel":"RoomChannel","params":${params},"ref":1,"tab":"mine","positions":{"a":"${await standsAt(app, 'a')}"}}`)
  await heard(2)
  await app.cable.broadcast('a', 'kept', { except: 'mine' })
  await app.cable.broadcast('a', 0, { history: false })
  ws.send(`{"command":"subscribe","channel":"RoomChannel","params":${params},"positions":{"a":"x.1"}}`)
  ws.send(`{"command":"subscribe","channel":"RoomChannel","params":{"streams":[]},"positions":${JSON.stringify(Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`s${n}`, 'x.1'])))}}`)
  ws.send(`{"command":"message","channel":"RoomChannel","params":${params},"action":"start","data":"b"}`)
  ws.send(`{"command":"message","channel":"RoomChannel","params":${params},"action":"stop","data":"a"}`)
  ws.send(`{"command":"message","channel":"RoomChannel","params":${params},"action":"say","data":["b","x"]}`)
  ws.send(`{"command":"message","channel":"RoomChannel","params":${params},"action":"no"}`)
  await heard(8)
  t.same(texts, [
    `{"type":"message","channel":"RoomChannel","params":${params},"data":"sent"}`,
    `{"type":"confirm_subscription","channel":"RoomChannel","params":${params}}`,
    `{"type":"message","channel":"RoomChannel","params":${params},"data":"kept"}`,
    `{"type":"message","channel":"RoomChannel","params":${params},"data":0}`,
    `{"type":"confirm_subscription","channel":"RoomChannel","params":${params}}`,
    '{"type":"confirm_subscription","channel":"RoomChannel","params":{"streams":[]}}',
    `{"type":"message","channel":"RoomChannel","params":${params},"data":"x"}`,
    '{"type":"error","reason":"unknown_action"}'
  ])
})
