// What is kept of a stream, for how long, and what a page may know of it (DESIGN §4).
import { readSince } from '@fastify-channels/protocol'
import { Channel } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { History } from '../src/history.ts'
import { InProcessBackend } from '../src/in-process.ts'
import { fence, setting } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const v1 = { protocols: 'channels-v1' }
const usual = { size: 128, ttl: 5 * MINUTE }

class RoomChannel extends Channel<{ stream: string }> {
  static override actions = {}
  override subscribed () { this.streamFrom(this.params.stream) }
}

/** A history whose clock is in the test's hands. */
function timed (budget = Infinity) {
  const clock = { now: 1_000_000 }
  const history = new History(budget, () => clock.now)
  return { clock, history, say: (stream: string, json = '1', kept = usual) => history.append(stream, json, null, kept).at! }
}

const jsons = (replayed: readonly { json: string }[] | null) => replayed?.map(({ json }) => json) ?? null
const epochOf = (at: string) => at.split('.')[0]!
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => String(from + n))

t.test('128 broadcasts that were missed are there, of 129 none is', async t => {
  const { history, say } = timed()
  const before = history.position('room')
  const places = numbers(1, 128).map(json => say('room', json))
  t.same(jsons(history.replay('room', before, places[127]!)), numbers(1, 128))
  const last = say('room', '129')
  t.equal(history.replay('room', before, last), null, 'never a part')
  t.same(jsons(history.replay('room', places[0]!, last)), numbers(2, 129))
  t.equal(history.replay('room', before, places[10]!), null, 'nor a part that ends earlier')
})

t.test('what is too old is not there, and where it stood is known all the same', async t => {
  const { clock, history, say } = timed()
  const before = history.position('room')
  const one = say('room', '1')
  clock.now += 4 * MINUTE
  const two = say('room', '2')
  t.same(jsons(history.replay('room', before, two)), ['1', '2'])
  clock.now += MINUTE - 1
  t.same(jsons(history.replay('room', before, two)), ['1', '2'], 'to the millisecond')
  clock.now++
  t.equal(history.replay('room', before, two), null)
  t.same(jsons(history.replay('room', one, two)), ['2'])
  history.sweep()
  t.same(jsons(history.replay('room', one, two)), ['2'])
  clock.now += 4 * MINUTE
  history.sweep()
  t.equal(history.replay('room', one, two), null)
  t.equal(history.bytes, 0)
  t.equal(history.position('room'), two)
  t.same(history.replay('room', two, two), [], 'who is up to date misses nothing')
  t.equal(say('room'), `${epochOf(two)}.3`, 'and the numbering goes on')
})

t.test('a broadcast also expires where another one follows', async t => {
  const { clock, history, say } = timed()
  for (let n = 0; n < 10; n++) say('room', 'x'.repeat(1000))
  const full = history.bytes
  clock.now += 5 * MINUTE
  say('room', 'x'.repeat(1000))
  t.equal(history.bytes, full / 10)
})

t.test('over the budget the streams that were silent longest forget first, and know it', async t => {
  const { history, say } = timed(20_000)
  const json = 'x'.repeat(1000)
  const start = new Map(['a', 'b', 'c'].map(stream => [stream, history.position(stream)]))
  const at = new Map<string, string>()
  for (const stream of ['a', 'a', 'a', 'b', 'b', 'b', 'c', 'a']) at.set(stream, say(stream, json))
  for (const stream of ['a', 'b', 'c']) t.ok(history.replay(stream, start.get(stream)!, at.get(stream)!), `${stream} is whole`)
  for (let n = 0; n < 2; n++) at.set('c', say('c', json))
  t.ok(history.bytes <= 20_000, `${history.bytes} bytes`)
  t.equal(history.replay('b', start.get('b')!, at.get('b')!), null, 'b was silent longest')
  t.ok(history.replay('a', start.get('a')!, at.get('a')!), 'a spoke after it')
  for (let n = 0; n < 40; n++) at.set('d', say('d', json))
  t.ok(history.bytes <= 20_000)
  for (const stream of ['a', 'b', 'c']) t.equal(history.replay(stream, start.get(stream)!, at.get(stream)!), null)
  for (const stream of ['a', 'b', 'c', 'd']) t.equal(history.position(stream), at.get(stream), `where ${stream} stands is known`)
  say('e', 'x'.repeat(50_000))
  t.equal(history.bytes, 0, 'what is larger than the budget is not kept at all')
})

t.test('a stream that was silent for a day is forgotten, and begins in another epoch', async t => {
  const { clock, history, say } = timed()
  const last = say('room')
  clock.now += 24 * HOUR
  history.sweep()
  t.equal(history.position('room'), last)
  clock.now += 5 * MINUTE
  history.sweep()
  t.equal(history.size, 0)
  const anew = history.position('room')
  t.not(epochOf(anew), epochOf(last))
  const next = say('room')
  t.equal(next, `${epochOf(anew)}.1`)
  t.equal(history.replay('room', last, next), null, 'who comes back then is told of a gap')
  t.equal(history.replay('room', `${epochOf(last)}.0`, next), null)
})

t.test('a stream somebody listens to is not forgotten', async t => {
  const { clock, history, say } = timed()
  const last = say('room')
  t.equal(history.listen('room'), last)
  const quiet = history.listen('quiet')
  clock.now += 240 * HOUR
  history.sweep()
  t.equal(history.position('room'), last)
  t.equal(history.position('quiet'), quiet)
  t.equal(say('quiet'), `${epochOf(quiet)}.1`)
  history.unlisten('room')
  history.sweep()
  t.not(epochOf(history.position('room')), epochOf(last))
})

t.test('a stream nobody broadcasts to costs nothing', async t => {
  const { history } = timed()
  for (let n = 0; n < 1000; n++) {
    const at = history.position(`room ${n}`)
    t.equal(history.listen(`room ${n}`), at)
    history.unlisten(`room ${n}`)
    t.equal(history.position(`room ${n}`), at, 'and stands where it stood when somebody comes back')
  }
  history.unlisten('never heard')
  t.equal(history.size, 0)
})

t.test('that others are forgotten moves a stream that never spoke once an hour at most', async t => {
  const { clock, history, say } = timed()
  say('old')
  clock.now += 25 * HOUR
  const quiet = history.position('quiet')
  history.sweep()
  const after = history.position('quiet')
  t.not(after, quiet)
  const short = { size: 1, ttl: 1 }
  for (let n = 0; n < 59; n++) {
    // As if a stream were a day old every minute.
    say(`old ${n}`, '1', { ...short, ttl: MINUTE - 24 * HOUR })
    clock.now += MINUTE
    history.sweep()
    t.equal(history.position('quiet'), after)
  }
  t.equal(history.size, 59)
  clock.now += MINUTE
  history.sweep()
  t.equal(history.size, 0)
  t.not(history.position('quiet'), after)
})

t.test('nobody is told a part, or what never was', async t => {
  const { history, say } = timed()
  say('room', '1')
  const two = say('room', '2')
  const epoch = epochOf(two)
  for (const [since, upTo] of [[`${epoch}.3`, two], [`${epoch}.0`, `${epoch}.3`], [two, `${epoch}.1`], ['other.0', two], [`${epoch}.0`, 'other.2'], ['other.0', 'other.1'], [`${epoch}.999999999999999`, two], [`x${epoch}.1`, two]]) {
    t.equal(history.replay('room', since!, upTo!), null, `${since} to ${upTo}`)
  }
  t.equal(history.replay('hall', `${epoch}.0`, `${epoch}.1`), null, 'of a stream that never spoke')
  t.same(history.replay('hall', `${epoch}.0`, `${epoch}.0`), [])
  t.same(jsons(history.replay('room', `${epoch}.0`, `${epoch}.1`)), ['1'], 'a part that was asked for is no part')
})

t.test('the backend of one process', async t => {
  const clock = { now: 0 }
  const backend = new InProcessBackend(1000, () => clock.now)
  t.throws(() => backend.publish('room', '1', { history: usual, except: null }), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' }, 'is closed until it is opened')
  const heard: object[] = []
  backend.open({ deliver: (stream: string, broadcast: object) => heard.push({ stream, ...broadcast }) } as never)
  const [since] = backend.position(['room'])
  t.equal(backend.publish('room', '1', { history: null, except: 'tab' }), null)
  backend.listen('room')
  t.equal(backend.publish('room', '2', { history: null, except: 'tab' }), null)
  const at = backend.publish('room', '3', { history: usual, except: 'tab' })!
  t.same(heard, [{ stream: 'room', at: null, json: '2', except: 'tab' }, { stream: 'room', at, json: '3', except: 'tab' }], 'what is not kept moves nothing')
  t.same(backend.replay('room', since!, at), [{ at, json: '3', except: 'tab' }])
  t.match(backend.health(), { ok: true, historyBytes: 130 })
  clock.now += 5 * MINUTE
  t.equal(backend.replay('room', since!, at), null)
  backend.close()
  backend.close()
  t.throws(() => backend.publish('room', '4', { history: usual, except: null }), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' })
})

t.test('the option history', async t => {
  /** What a visitor hears of `count` broadcasts that it missed; null: it is told of a gap. */
  async function missed (t: any, options: FastifyChannelsOptions, stream: string, count: number): Promise<number | null> {
    const { app } = await setting(t, { channels: { RoomChannel }, ...options })
    const ws = await connect(app, v1)
    const { streams } = await ws.subscribe('RoomChannel', { stream }) as any
    await ws.close()
    for (let n = 0; n < count; n++) await app.cable.broadcast(stream, n)
    const again = await connect(app, v1)
    again.send({ command: 'subscribe', channel: 'RoomChannel', params: { stream }, positions: streams })
    let heard = 0
    for (;;) {
      const { type, recovered } = await again.receive() as any
      if (type === 'confirm_subscription') return recovered === true ? heard : null
      heard++
    }
  }

  t.test('keeps 128 of each stream if nothing is said', async t => {
    t.equal(await missed(t, {}, 'room', 128), 128)
    t.equal(await missed(t, {}, 'room', 129), null)
  })

  t.test('says how many, and for how long', async t => {
    t.equal(await missed(t, { history: { size: 2 } }, 'room', 2), 2)
    t.equal(await missed(t, { history: { size: 2 } }, 'room', 3), null)
    t.equal(await missed(t, { history: { size: 200 } }, 'room', 200), 200)
    t.equal(await missed(t, { limits: { historyBytes: 1000 } }, 'room', 100), null)
  })

  t.test('is asked for each stream where it is a function', async t => {
    const history = (stream: string) => stream.startsWith('typing') ? false as const : stream === 'audit' ? { size: 1000 } : {}
    t.equal(await missed(t, { history }, 'room', 128), 128)
    t.equal(await missed(t, { history }, 'audit', 1000), 1000)
    const { app } = await setting(t, { channels: { RoomChannel }, history })
    const ws = await connect(app, v1)
    t.match(await ws.subscribe('RoomChannel', { stream: 'typing' }), { streams: { typing: null } })
    await app.cable.broadcast('typing', 'ana')
    t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'typing', data: 'ana' }, 'without at: it moves nothing')
  })

  t.test('false keeps nothing, and every stream is without places', async t => {
    const { app } = await setting(t, { channels: { RoomChannel }, history: false })
    const ws = await connect(app, v1)
    t.match(await ws.subscribe('RoomChannel', { stream: 'room' }), { streams: { room: null }, recovered: null })
    await app.cable.broadcast('room', 1)
    await app.cable.broadcast('room', 2, { history: true })
    for (const data of [1, 2]) t.strictSame(await ws.receive(), { type: 'broadcast', stream: 'room', data }, 'nobody can ask for what the app does not keep')
    t.match(app.cable.health(), { historyBytes: 0 })
    ws.send({ command: 'subscribe', channel: 'RoomChannel', params: { stream: 'room' }, ref: 2, positions: { room: 'abc.1' } })
    t.match(await ws.receive(), { type: 'confirm_subscription', ref: 2, streams: { room: null }, recovered: false }, 'who remembers a place is told that it means nothing')
    t.equal((await app.cable.snapshot('room', () => 1)).since, null)
  })

  t.test('of something else is an error at boot, or where it is asked', async t => {
    for (const history of [true, 'no', 7, { size: 0 }, { size: 1.5 }, { ttl: 0 }, { ttl: NaN }]) {
      await t.rejects(setting(t, { history: history as never }), { code: 'FST_CHANNELS_INVALID_OPTION' }, JSON.stringify(history))
    }
    const { app } = await setting(t, { history: () => ({ size: 0 }) })
    await t.rejects(app.cable.broadcast('room', 1), { code: 'FST_CHANNELS_INVALID_OPTION' })
  })

  t.test('broadcast(…, { history: false }) is heard, and not kept', async t => {
    const { app } = await setting(t, { channels: { RoomChannel } })
    const ws = await connect(app, v1)
    const { streams: { room } } = await ws.subscribe('RoomChannel', { stream: 'room' }) as any
    await app.cable.broadcast('room', 'kept')
    await app.cable.broadcast('room', 'said', { history: false })
    await app.cable.broadcast('room', 'kept too')
    const frames: any[] = [await ws.receive(), await ws.receive(), await ws.receive()]
    t.strictSame(frames[1], { type: 'broadcast', stream: 'room', data: 'said' })
    t.equal(frames[2].at, frames[0].at.replace(/\d+$/, '2'), 'it takes no place')
    const late = await connect(app, v1)
    late.send({ command: 'subscribe', channel: 'RoomChannel', params: { stream: 'room' }, positions: { room } })
    for (const data of ['kept', 'kept too']) t.match(await late.receive(), { type: 'broadcast', data })
    t.match(await late.receive(), { type: 'confirm_subscription', recovered: true })
  })
})

t.test('app.cable.snapshot()', async t => {
  t.test('takes the place before it reads, so that what is said meanwhile comes again', async t => {
    const { app } = await setting(t, { channels: { RoomChannel } })
    await app.cable.broadcast('room', 'read')
    const { data, since } = await app.cable.snapshot('room', async () => {
      await app.cable.broadcast('room', 'said while it was read')
      return ['read', 'perhaps']
    })
    t.same(data, ['read', 'perhaps'])
    t.match(since, /^[\w%.~-]+$/, 'nothing in it that an attribute could mind')
    const ws = await connect(app, v1)
    ws.send({ command: 'subscribe', channel: 'RoomChannel', params: { stream: 'room' }, positions: readSince(since) })
    t.match(await ws.receive(), { type: 'broadcast', data: 'said while it was read' })
    t.match(await ws.receive(), { type: 'confirm_subscription', recovered: true })
    await fence(t, ws, 'and nothing that the page had', 'RoomChannel', { stream: 'room' })
  })

  t.test('of several streams names all of them; of those that keep nothing, none', async t => {
    const names = ['a', "'b'", 'ü"<>&', 'c.d']
    const { app } = await setting(t, { history: stream => stream === 'typing' ? false : {} })
    const { since } = await app.cable.snapshot([...names, 'typing'], () => 0)
    t.same(Object.keys(readSince(since)!), names)
    t.match(since, /^[\w%.~-]+$/)
    t.strictSame(await app.cable.snapshot('typing', () => 0), { data: 0, since: null })
    t.strictSame(await app.cable.snapshot([], () => 0), { data: 0, since: null })
  })

  t.test('never fails a page, whatever the cable does', async t => {
    const failures: Array<[string, Partial<InProcessBackend>]> = [
      ['knows no place', { position: (streams: readonly string[]) => streams.map(() => null) as never }],
      ['knows one of two', { position: (() => ['abc.1', null]) as never }],
      ['answers too little', { position: (() => []) as never }],
      ['throws', { position: () => { throw new Error('no redis') } }],
      ['rejects', { position: (async () => { throw new Error('no redis') }) as never }],
      ['answers nothing', { position: (() => undefined) as never }]
    ]
    for (const [what, broken] of failures) {
      const { app } = await setting(t, { cable: Object.assign(new InProcessBackend(1000), broken) })
      t.strictSame(await app.cable.snapshot(['a', 'b'], async () => 'page'), { data: 'page', since: null }, what)
    }
    const { app, log } = await setting(t, { cable: Object.assign(new InProcessBackend(1000), { position: () => new Promise<never>(() => {}) }) })
    const holding = setInterval(() => {}, 1000)
    t.strictSame(await app.cable.snapshot('a', () => 'page'), { data: 'page', since: null }, 'never answers')
    clearInterval(holding)
    t.match(log.filter(({ level }) => level >= 40), [{ level: 40, streams: ['a'] }], 'and says so')
    const { app: odd } = await setting(t, { history: () => { throw new Error('a bug of the app') } })
    t.strictSame(await odd.cable.snapshot('a', () => 'page'), { data: 'page', since: null })
  })

  t.test('fails with the page\'s own failure, and for what is no stream', async t => {
    const { app } = await setting(t)
    await t.rejects(app.cable.snapshot('a', () => { throw new Error('no database') }), { message: 'no database' })
    await t.rejects(app.cable.snapshot('', () => 0), { code: 'FST_CHANNELS_INVALID_STREAM' })
    await t.rejects(app.cable.snapshot(['a', 7 as never], () => 0), { code: 'FST_CHANNELS_INVALID_STREAM' })
  })
})
