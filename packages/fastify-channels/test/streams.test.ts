// Streams: what is heard, by whom, in which frames and in which order (guide §7; DESIGN §3, §4).
import { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import type { TestConnection } from 'fastify-channels/testing'
import t from 'tap'
import { InProcessBackend } from '../src/in-process.ts'
import { errors, fence, gate, setting, until, ways } from './setting.ts'
import type { Gate } from './setting.ts'

const position = /^[A-Za-z0-9_-]{1,64}\.\d{1,15}$/
const v1 = { protocols: 'channels-v1' }

/** A channel that listens to what its params say, and does what its client says. */
class TuneChannel extends Channel<{ streams?: string[], n?: number }> {
  subscribed () { for (const stream of this.params.streams ?? []) this.streamFrom(stream) }
  start (stream: any) { this.streamFrom(stream) }
  stop (stream: any) { this.stopStreamFrom(stream) }
  stopAll () { this.stopAllStreams() }
  async say ([stream, data]: any) { await this.broadcast(stream, data) }
  mix (streams: any) {
    for (const stream of streams) {
      this.broadcast(stream, `${stream} before`)
      this.send(`send ${stream}`)
      this.broadcast(stream, `${stream} after`)
    }
    return 'mixed'
  }
}
const TUNE = 'TuneChannel'
const channels = { TuneChannel }

/** A backend that takes its time to listen. */
class LateBackend extends InProcessBackend {
  readonly listening: Array<[string, Gate]> = []
  readonly unlistened: string[] = []
  host: any
  isLate = true

  constructor () { super(1024 * 1024) }

  override open (host: any) {
    this.host = host
    return super.open(host)
  }

  override listen (stream: string): any {
    if (!this.isLate) return super.listen(stream)
    const waits = gate()
    this.listening.push([stream, waits])
    const at = super.listen(stream)
    return waits.then(() => at)
  }

  override unlisten (stream: string): any {
    this.unlistened.push(stream)
    return super.unlisten(stream)
  }
}

for (const [way, open] of ways) {
  t.test(way, async t => {
    t.test('a broadcast reaches every listener of its stream, on every connection, and nobody else (guide §7)', async t => {
      const { app } = await setting(t, { channels })
      const listeners = await Promise.all([open(app), open(app), open(app, v1)])
      const other = await open(app)
      for (const ws of listeners) await ws.subscribe(TUNE, { streams: ['room'] })
      await other.subscribe(TUNE, { streams: ['hall'] })
      for (const data of [{ message: 'hi' }, 'text', '"json text"', 0, false, '', [1], null]) {
        await app.cable.broadcast('room', data)
        const heard = data ?? {}
        for (const ws of listeners.slice(0, 2)) t.same(await ws.receive(), { type: 'message', channel: TUNE, params: { streams: ['room'] }, data: heard })
        const { at, ...frame } = await listeners[2]!.receive() as any
        t.same(frame, { type: 'broadcast', stream: 'room', data: heard })
        t.match(at, position)
      }
      await fence(t, other, 'the other room is silent')
    })

    t.test('a broadcast of any size arrives whole', async t => {
      const { app } = await setting(t, { channels })
      const ws = await open(app)
      await ws.subscribe(TUNE, { streams: ['room'] })
      const around = JSON.stringify({ type: 'message', channel: TUNE, params: { streams: ['room'] }, data: '' }).length
      for (const size of [0, 125, 126, 127, 65_535, 65_536, 65_537, 300_000]) {
        const data = 'x'.repeat(Math.max(0, size - around))
        await app.cable.broadcast('room', data)
        t.equal((await ws.receive() as any).data, data, `a frame of ${around + data.length} bytes`)
        await app.cable.broadcast('room', '😀é')
        t.equal((await ws.receive() as any).data, '😀é')
      }
    })

    t.test('broadcasts, sends, replies and confirmations reach a connection in the order they were said', async t => {
      const { app } = await setting(t, { channels })
      const ws = await open(app)
      ws.send({ command: 'subscribe', channel: TUNE, params: { streams: ['a', 'b'] } })
      ws.send({ command: 'message', channel: TUNE, params: { streams: ['a', 'b'] }, action: 'mix', data: ['b', 'a'], id: 1 })
      ws.send({ command: 'subscribe', channel: TUNE, params: {} })
      t.match(await ws.receive(), { type: 'confirm_subscription', params: { streams: ['a', 'b'] } })
      const rest = []
      for (let i = 0; i < 8; i++) rest.push(await ws.receive() as any)
      const said = rest.filter(({ params }) => params?.streams || params === undefined)
      t.same(said.map(({ data }) => data), ['b before', 'send b', 'b after', 'a before', 'send a', 'a after', 'mixed'])
    })
  })
}

t.test('a channel listens to several streams; stopStreamFrom() stops one, stopAllStreams() all', async t => {
  const { app } = await setting(t, { channels })
  const ws = await connect(app)
  const params = { streams: ['a', 'b', 'c'] }
  await ws.subscribe(TUNE, params)
  const heard = async () => {
    for (const stream of ['a', 'b', 'c', 'd']) await app.cable.broadcast(stream, stream)
    await ws.perform(TUNE, 'nothing', {}, params)
    const heard = []
    while (ws.frames.length > 0) heard.push((await ws.receive() as any).data)
    return heard
  }
  t.same(await heard(), ['a', 'b', 'c'])
  await ws.perform(TUNE, 'stop', 'b', params)
  t.same(await heard(), ['a', 'c'])
  await ws.perform(TUNE, 'stop', 'never', params)
  t.same(await heard(), ['a', 'c'], 'stopping what was never started does nothing')
  await ws.perform(TUNE, 'start', 'd', params)
  await ws.perform(TUNE, 'start', 'd', params)
  t.same(await heard(), ['a', 'c', 'd'], 'one may be started in an action; twice is once')
  await ws.perform(TUNE, 'start', 'b', params)
  t.same(await heard(), ['a', 'b', 'c', 'd'].sort(), 'and started again')
  await ws.perform(TUNE, 'stopAll', {}, params)
  t.same(await heard(), [])
  await ws.perform(TUNE, 'stopAll', {}, params)
  await ws.perform(TUNE, 'start', 'a', params)
  t.same(await heard(), ['a'])
})

t.test('streams started and stopped inside subscribed(), and streamed twice', async t => {
  class FickleChannel extends Channel {
    async subscribed () {
      for (const stream of ['kept', 'kept', 'dropped', 'again']) this.streamFrom(stream)
      for (const stream of ['kept', 'dropped', 'again']) await this.broadcast(stream, `${stream} early`)
      this.stopStreamFrom('dropped')
      this.stopStreamFrom('again')
      this.streamFrom('again')
      for (const stream of ['kept', 'dropped', 'again']) await this.broadcast(stream, `${stream} late`)
    }
  }
  class NoneChannel extends Channel {
    async subscribed () {
      this.streamFrom('kept')
      await this.broadcast('kept', 'x')
      this.stopAllStreams()
    }
  }
  const { app } = await setting(t, { channels: { FickleChannel, NoneChannel } })
  const ws = await connect(app)
  t.match(await ws.subscribe('NoneChannel'), { type: 'confirm_subscription' })
  await app.cable.broadcast('kept', 'y')
  await fence(t, ws, 'nothing of a stream that was stopped, not even what was held', 'NoneChannel')
  t.match(await ws.subscribe('FickleChannel'), { type: 'confirm_subscription' })
  for (const data of ['kept early', 'kept late', 'again late']) t.match(await ws.receive(), { channel: 'FickleChannel', data })
  await app.cable.broadcast('dropped', 'x')
  await app.cable.broadcast('kept', 'once')
  t.match(await ws.receive(), { data: 'once' })
  await fence(t, ws, 'and each once')
})

t.test('two subscriptions of a connection on one stream', async t => {
  t.test('each get it, as messages of their own (plain)', async t => {
    const { app } = await setting(t, { channels })
    const ws = await connect(app)
    for (const n of [1, 2]) await ws.subscribe(TUNE, { streams: ['room'], n })
    await app.cable.broadcast('room', 'x')
    t.same([await ws.receive(), await ws.receive()].map(({ params }: any) => params.n).sort(), [1, 2])
    ws.unsubscribe(TUNE, { streams: ['room'], n: 1 })
    await ws.perform(TUNE, 'x', {}, { streams: ['room'], n: 1 })
    await app.cable.broadcast('room', 'y')
    t.match(await ws.receive(), { params: { n: 2 }, data: 'y' })
    await fence(t, ws, 'the one that left does not')
  })

  t.test('share one frame (channels-v1), until the last of them left', async t => {
    const { app } = await setting(t, { channels })
    const ws = await connect(app, v1)
    const both = [1, 2].map(n => ({ streams: ['room'], n }))
    for (const params of both) await ws.subscribe(TUNE, params)
    await app.cable.broadcast('room', 'x')
    t.match(await ws.receive(), { type: 'broadcast', stream: 'room', data: 'x' })
    await fence(t, ws, 'one frame')
    ws.unsubscribe(TUNE, both[0])
    await ws.perform(TUNE, 'x', {}, both[0])
    await app.cable.broadcast('room', 'y')
    t.match(await ws.receive(), { type: 'broadcast', data: 'y' })
    await ws.perform(TUNE, 'stop', 'room', both[1])
    t.match(await ws.receive(), { type: 'streams', params: { n: 2 }, streams: {} })
    await app.cable.broadcast('room', 'z')
    await fence(t, ws, 'silence')
  })

  t.test('of which one is pending: both hear each broadcast once, by its position (channels-v1)', async t => {
    const waits = gate()
    class SlowChannel extends Channel {
      async subscribed () {
        this.streamFrom('room')
        await waits
      }
    }
    const { app } = await setting(t, { channels: { TuneChannel, SlowChannel } })
    const ws = await connect(app, v1)
    // As a client reads: a subscription hears what comes after its position, and what is replayed for its ref.
    const places = new Map<number, string>()
    const heard: { [ref: number]: any[] } = { 8: [], 9: [] }
    const read = async (ref: number, channel: string, params: object) => {
      await ws.perform(channel, '_fence', null, params as any)
      while (ws.frames.length > 0) {
        const frame = await ws.receive() as any
        if (frame.type === 'confirm_subscription') places.set(frame.ref, frame.streams.room)
        if (frame.type !== 'broadcast') continue
        for (const one of frame.ref === undefined ? places.keys() : [frame.ref]) {
          if (offset(frame.at) <= offset(places.get(one) ?? '.0') && places.has(one)) continue
          heard[one]!.push(frame.data)
          if (places.has(one)) places.set(one, frame.at)
        }
      }
      return heard[ref]
    }
    const offset = (at: string) => Number(at.split('.')[1])
    const params = { streams: ['room'] }
    ws.send({ command: 'subscribe', channel: TUNE, params, ref: 8 })
    t.same(await read(8, TUNE, params), [])
    ws.send({ command: 'subscribe', channel: 'SlowChannel', params: {}, ref: 9 })
    await app.cable.broadcast('room', 'before')
    t.same(await read(8, TUNE, params), ['before'])
    await app.cable.broadcast('room', 'x')
    t.same(await read(8, TUNE, params), ['before', 'x'])
    t.same(heard[9], [], 'the pending one hears nothing')
    waits.open()
    t.same((await read(9, 'SlowChannel', {}))!.at(-1), 'x', 'the new one hears what was held for it')
    await app.cable.broadcast('room', 'y')
    await read(9, 'SlowChannel', {})
    t.same(heard[8], ['before', 'x', 'y'], 'each once')
    t.same(heard[9]!.filter(data => data !== 'before'), ['x', 'y'], 'each once')
  })
})

t.test('broadcasts from streamFrom() on are held, flushed after the confirmation in their order, and thrown away on reject', async t => {
  for (const options of [{}, v1]) {
    const waits: { [name: string]: Gate<boolean> } = { yes: gate(), no: gate(), boom: gate() }
    class HeldChannel extends Channel {
      async subscribed () {
        await this.broadcast('a', 'before')
        this.streamFrom('a')
        this.streamFrom('b')
        this.send('sent first')
        if (!await waits[this.params.answer]) this.reject()
        if (this.params.answer === 'boom') throw new Error('boom')
        this.send('sent last')
      }
    }
    const { app } = await setting(t, { channels: { HeldChannel } })
    const ws = await connect(app, options)
    for (const answer of ['yes', 'no', 'boom']) ws.send({ command: 'subscribe', channel: 'HeldChannel', params: { answer } })
    await fence(t, ws, 'all three are pending')
    for (let n = 0; n < 5; n++) for (const stream of ['a', 'b']) await app.cable.broadcast(stream, `${stream} ${n}`)
    await fence(t, ws, 'nothing is heard before the confirmation')
    waits.no!.open(false)
    t.match(await ws.receive(), { type: 'reject_subscription', params: { answer: 'no' } })
    waits.boom!.open(true)
    t.match(await ws.receive(), { type: 'reject_subscription', params: { answer: 'boom' }, reason: 'error' })
    await fence(t, ws, 'a rejected visitor hears nothing')
    waits.yes!.open(true)
    const frames: any[] = []
    for (let n = 0; n < 13; n++) frames.push(await ws.receive())
    t.match(frames.slice(0, 3), [{ data: 'sent first' }, { data: 'sent last' }, { type: 'confirm_subscription' }])
    t.same(frames.slice(3).map(({ data }) => data), [0, 1, 2, 3, 4].flatMap(n => [`a ${n}`, `b ${n}`]), 'a confirmed one misses nothing')
    await app.cable.broadcast('a', 'live')
    t.match(await ws.receive(), { data: 'live' })
    await fence(t, ws, 'and hears nothing twice')
  }
})

t.test('more broadcasts than may be held reject the subscription with overflow', async t => {
  for (const limits of [{ maxHeldBroadcasts: 3 }, { maxHeldBytes: 40 }]) {
    const waits = gate()
    const ends: string[] = []
    class HeldChannel extends Channel {
      async subscribed () {
        this.streamFrom('a')
        await waits
        this.streamFrom('b')
        this.send('late')
      }

      unsubscribed (reason: string) { ends.push(reason) }
    }
    const { app, log } = await setting(t, { channels: { HeldChannel }, limits })
    const ws = await connect(app)
    ws.send({ command: 'subscribe', channel: 'HeldChannel', params: {} })
    await fence(t, ws, 'pending')
    for (let n = 0; n < 6; n++) await app.cable.broadcast('a', 'ten chars')
    t.same(await ws.receive(), { type: 'reject_subscription', channel: 'HeldChannel', params: {}, reason: 'overflow' })
    await fence(t, ws, 'once')
    t.match(log.filter(({ level }) => level === 40), [{ channel: 'HeldChannel' }])
    waits.open()
    await until('its end', () => ends.length > 0)
    t.same(ends, ['error'], 'it completed, so its end is owed')
    await app.cable.broadcast('a', 1)
    await app.cable.broadcast('b', 1)
    await fence(t, ws, 'silence', 'HeldChannel')
    t.match(await ws.subscribe('HeldChannel'), { type: 'confirm_subscription' }, 'and it may come again')
  }
})

t.test('channels-v1 is told when the streams of a confirmed subscription change, before any frame of the new set', async t => {
  const { app } = await setting(t, { channels })
  const ws = await connect(app, v1)
  const params = { streams: ['a'] }
  t.match(await ws.subscribe(TUNE, params), { streams: { a: position } })
  ws.send({ command: 'message', channel: TUNE, params, action: 'start', data: 'b' })
  ws.send({ command: 'message', channel: TUNE, params, action: 'say', data: ['b', 1] })
  const started = await ws.receive() as any
  t.match(started, { type: 'streams', channel: TUNE, params, streams: { a: position, b: position } })
  t.match(await ws.receive(), { type: 'broadcast', stream: 'b', data: 1 })
  await ws.perform(TUNE, 'stop', 'a', params)
  const stopped = await ws.receive() as any
  t.same(Object.keys(stopped.streams), ['b'])
  await ws.perform(TUNE, 'start', 'b', params)
  await ws.perform(TUNE, 'stop', 'a', params)
  await fence(t, ws, 'what changes nothing is not told')
  const plain = await connect(app)
  await plain.subscribe(TUNE, params)
  await plain.perform(TUNE, 'start', 'b', params)
  await fence(t, plain, 'the guide\'s dialect knows no such frame')
})

t.test('positions count one up per broadcast, and each connection is told the same', async t => {
  const { app } = await setting(t, { channels })
  const sessions: TestConnection[] = []
  const positions: string[][] = []
  for (let n = 0; n < 3; n++) {
    const ws = await connect(app, v1)
    sessions.push(ws)
    const { streams } = await ws.subscribe(TUNE, { streams: ['room'] }) as any
    positions.push([streams.room])
    await app.cable.broadcast('room', n)
    for (const [index, one] of sessions.entries()) positions[index]!.push((await one.receive() as any).at)
  }
  const [epoch, offset] = positions[0]![0]!.split('.')
  t.same(positions[0], [0, 1, 2, 3].map(n => `${epoch}.${Number(offset) + n}`))
  t.same(positions[1], positions[0]!.slice(1))
  t.same(positions[2], positions[0]!.slice(2))
})

t.test('a stream is named by a string: an empty, ill-formed, too long or other one is an error where it is said', async t => {
  const bad: any[] = ['', '\ud800', 'x'.repeat(513), 'é'.repeat(257), '__proto__', 1, null, undefined, {}, ['a'], Symbol('x'), () => {}]
  const codes: string[] = []
  class BadChannel extends Channel {
    subscribed () {
      for (const name of bad) {
        try { this.streamFrom(name) } catch (error) { codes.push((error as any).code) }
      }
    }

    async say (index: any) {
      try { await this.broadcast(bad[index], 1) } catch (error) { return (error as any).code }
    }

    stopBad () { for (const name of bad) this.stopStreamFrom(name) }
  }
  const { app } = await setting(t, { channels: { BadChannel, TuneChannel } })
  const ws = await connect(app)
  t.match(await ws.subscribe('BadChannel'), { type: 'confirm_subscription' })
  t.same(codes, bad.map(() => 'FST_CHANNELS_INVALID_STREAM'))
  for (const index of bad.keys()) {
    t.match(await ws.perform('BadChannel', 'say', index), { data: 'FST_CHANNELS_INVALID_STREAM' })
    await t.rejects(app.cable.broadcast(bad[index], 1), { code: 'FST_CHANNELS_INVALID_STREAM' })
  }
  t.match(await ws.perform('BadChannel', 'stopBad'), { status: 'ok' }, 'stopping it is stopping nothing')
  for (const name of ['x'.repeat(512), 'é'.repeat(256), ' ', 'constructor', 'a\u0000b', '{a}', 'a:b', '😀']) {
    await ws.subscribe(TUNE, { streams: [name] })
    await app.cable.broadcast(name, 1)
    t.match(await ws.receive(), { data: 1 }, name.slice(0, 20))
  }
})

t.test('long names that differ at their end are different streams', async t => {
  const { app } = await setting(t, { channels })
  const ws = await connect(app)
  const [one, other] = ['1', '2'].map(end => 'x'.repeat(500) + end)
  await ws.subscribe(TUNE, { streams: [one!] })
  await app.cable.broadcast(other!, 1)
  await fence(t, ws, 'silence')
})

t.test('a fan-out during which listeners come and go reaches exactly those who were there (upstream U13)', async t => {
  const { app } = await setting(t, { channels })
  const sessions = await Promise.all(Array.from({ length: 10 }, (_, n) => connect(app, n % 2 === 0 ? {} : v1)))
  for (const [n, ws] of sessions.entries()) await ws.subscribe(TUNE, { streams: ['room'], n })
  const said = [app.cable.broadcast('room', 1)]
  for (const [n, ws] of sessions.entries()) if (n < 5) ws.unsubscribe(TUNE, { streams: ['room'], n })
  await Promise.all(sessions.map((ws, n) => ws.perform(TUNE, 'x', {}, { streams: ['room'], n })))
  said.push(app.cable.broadcast('room', 2))
  await Promise.all(said)
  for (const [n, ws] of sessions.entries()) {
    t.match(await ws.receive(), { data: 1 })
    if (n >= 5) t.match(await ws.receive(), { data: 2 })
    await fence(t, ws, `${n} hears no more`)
  }
})

t.test('unsubscribed() that broadcasts to its own stream reaches the others, and not itself', async t => {
  class LeaveChannel extends Channel {
    subscribed () { this.streamFrom('room') }
    async unsubscribed () { await this.broadcast('room', { left: this.params.name }) }
  }
  const { app } = await setting(t, { channels: { LeaveChannel } })
  const ana = await connect(app)
  const bob = await connect(app)
  await ana.subscribe('LeaveChannel', { name: 'ana' })
  await bob.subscribe('LeaveChannel', { name: 'bob' })
  ana.unsubscribe('LeaveChannel', { name: 'ana' })
  t.match(await bob.receive(), { data: { left: 'ana' } })
  await fence(t, ana, 'silence', 'LeaveChannel', { name: 'ana' })
})

t.test('what a channel does with its streams after its end is done for nobody', async t => {
  const kept: any[] = []
  class KeptChannel extends Channel {
    subscribed () {
      kept.push({ send: (data: any) => this.send(data), start: (stream: string) => this.streamFrom(stream), stop: () => this.stopAllStreams(), say: (stream: string, data: any) => this.broadcast(stream, data) })
      this.streamFrom('kept')
    }
  }
  const { app, log } = await setting(t, { channels: { KeptChannel, TuneChannel } })
  const ws = await connect(app)
  await ws.subscribe('KeptChannel')
  await ws.subscribe(TUNE, { streams: ['room'] })
  ws.unsubscribe('KeptChannel')
  await ws.perform('KeptChannel', 'x')
  const [{ send, start, stop, say }] = kept
  send('late')
  start('kept')
  start('late')
  stop()
  await app.cable.broadcast('kept', 1)
  await app.cable.broadcast('late', 1)
  await fence(t, ws, 'silence')
  t.same(log.filter(({ msg }) => / does nothing after the end/.test(msg)).map(({ level, msg }) => [level, msg]), ['send', 'streamFrom', 'streamFrom'].map(word => [20, `${word}() does nothing after the end of the subscription`]))
  await say('room', 'anybody may say something to a stream')
  t.match(await ws.receive(), { channel: TUNE })
})

t.test('a backend that takes its time', async t => {
  t.test('is waited for: a subscription is confirmed when nothing can pass it unheard', async t => {
    const cable = new LateBackend()
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app)
    ws.send({ command: 'subscribe', channel: TUNE, params: { streams: ['a', 'b'] } })
    await until('both are listened to', () => cable.listening.length === 2)
    await app.cable.broadcast('a', 'early')
    cable.listening[1]![1].open()
    await fence(t, ws, 'pending')
    cable.listening[0]![1].open()
    t.match(await ws.receive(), { type: 'confirm_subscription' })
    t.match(await ws.receive(), { data: 'early' })
  })

  t.test('and fails to listen: the subscription is rejected, and its streams are let go', async t => {
    const cable = new LateBackend()
    const ends: string[] = []
    const { app, log } = await setting(t, { channels: { TuneChannel: class extends TuneChannel { override unsubscribed (reason: string) { ends.push(reason) } } }, cable })
    const ws = await connect(app)
    ws.send({ command: 'subscribe', channel: TUNE, params: { streams: ['a', 'b'] } })
    await until('both are listened to', () => cable.listening.length === 2)
    cable.listening[1]![1].fail(new Error('no redis'))
    cable.listening[0]![1].open()
    t.same(await ws.receive(), { type: 'reject_subscription', channel: TUNE, params: { streams: ['a', 'b'] }, reason: 'error' })
    t.match(errors(log), [{ err: { message: 'no redis' } }])
    t.same(ends, ['error'], 'its subscribed() completed, so its end is owed')
    t.same(cable.unlistened.sort(), ['a', 'b'])
    cable.isLate = false
    t.match(await ws.subscribe(TUNE, { streams: ['a'] }), { type: 'confirm_subscription' }, 'and may be tried again')
  })

  t.test('is told of the first listener and of the last, not of those between', async t => {
    const cable = new LateBackend()
    cable.isLate = false
    const { app } = await setting(t, { channels, cable })
    const sessions = await Promise.all([connect(app), connect(app)])
    for (const ws of sessions) for (const n of [1, 2]) await ws.subscribe(TUNE, { streams: ['a'], n })
    await sessions[0]!.close()
    t.same(cable.unlistened, [])
    await sessions[1]!.close()
    t.same(cable.unlistened, ['a'])
  })

  t.test('starts a stream of a confirmed subscription later: what comes meanwhile is held for it', async t => {
    for (const options of [{}, v1]) {
      const cable = new LateBackend()
      const { app } = await setting(t, { channels, cable })
      const ws = await connect(app, options)
      await ws.subscribe(TUNE)
      t.match(await ws.perform(TUNE, 'start', 'a'), { status: 'ok' })
      await app.cable.broadcast('a', 'early')
      await fence(t, ws, 'not yet')
      cable.listening[0]![1].open()
      if ('protocols' in options) t.match(await ws.receive(), { type: 'streams', streams: { a: position } })
      t.match(await ws.receive(), { data: 'early' })
      await app.cable.broadcast('a', 'live')
      t.match(await ws.receive(), { data: 'live' })
    }
  })

  t.test('and a late stream that is stopped, started anew, or left before it began', async t => {
    const cable = new LateBackend()
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app)
    await ws.subscribe(TUNE)
    await ws.perform(TUNE, 'start', 'a')
    await app.cable.broadcast('a', 'forgotten')
    await ws.perform(TUNE, 'stop', 'a')
    await ws.perform(TUNE, 'start', 'a')
    await app.cable.broadcast('a', 'held')
    cable.listening[0]![1].open()
    await fence(t, ws, 'the first start is over', TUNE)
    cable.listening[1]![1].open()
    t.match(await ws.receive(), { data: 'held' })
    await ws.perform(TUNE, 'start', 'b')
    ws.unsubscribe(TUNE)
    await ws.perform(TUNE, 'x')
    cable.listening[2]![1].open()
    await app.cable.broadcast('b', 1)
    await fence(t, ws, 'silence')
    t.same(cable.unlistened.sort(), ['a', 'a', 'b'])
  })

  t.test('and cannot start a late stream: logged, and the subscription goes on', async t => {
    const cable = new LateBackend()
    const { app, log } = await setting(t, { channels, cable })
    const ws = await connect(app)
    await ws.subscribe(TUNE)
    await ws.perform(TUNE, 'start', 'a')
    cable.listening[0]![1].fail(new Error('no redis'))
    await until('it is logged', () => errors(log).length > 0)
    t.match(errors(log), [{ err: { message: 'no redis' }, stream: 'a', channel: TUNE }])
    cable.isLate = false
    await ws.perform(TUNE, 'start', 'a')
    await app.cable.broadcast('a', 1)
    t.match(await ws.receive(), { data: 1 })
  })

  t.test('a gap while a late stream begins: it begins after the gap', async t => {
    const cable = new LateBackend()
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app, v1)
    await ws.subscribe(TUNE)
    await ws.perform(TUNE, 'start', 'a')
    await app.cable.broadcast('a', 'lost')
    cable.host.gap('a', 'epoch.7')
    cable.listening[0]![1].open()
    t.match(await ws.receive(), { type: 'streams', streams: { a: 'epoch.7' } })
  })

  t.test('and fails to look up what a client missed: logged, and the connection goes on', async t => {
    const cable = new LateBackend()
    cable.isLate = false
    Object.assign(cable, { async replay () { throw new Error('no redis') } })
    const { app, log } = await setting(t, { channels, cable, limits: { maxPendingCommands: 1 } })
    const ws = await connect(app, v1)
    const params = { streams: ['a'] }
    const { streams } = await ws.subscribe(TUNE, params) as any
    await app.cable.broadcast('a', 1)
    await ws.receive()
    ws.send({ command: 'subscribe', channel: TUNE, params, positions: streams })
    t.match(await ws.perform(TUNE, 'say', ['a', 2], params), { status: 'ok' }, 'the next command has its turn')
    t.match(await ws.receive(), { type: 'broadcast', data: 2 })
    t.match(errors(log), [{ msg: 'a command failed', err: { message: 'no redis' } }])
  })

  t.test('is asked once more for a stream that begins anew while what was missed is looked up', async t => {
    const [asked, answer] = [gate(), gate()]
    const cable = new LateBackend()
    cable.isLate = false
    cable.replay = (...args): any => {
      asked.open()
      return answer.then(() => InProcessBackend.prototype.replay.apply(cable, args))
    }
    let channel!: KeptChannel
    class KeptChannel extends Channel {
      subscribed () {
        channel = this
        this.begin()
      }

      begin () { this.streamFrom('a') }
      leave () { this.stopStreamFrom('a') }
    }
    const { app } = await setting(t, { channels: { KeptChannel }, cable })
    const since = (await app.cable.broadcast('a', 0), (await cable.position(['a']))[0])
    const ws = await connect(app, v1)
    await app.cable.broadcast('a', 1)
    ws.send({ command: 'subscribe', channel: 'KeptChannel', params: {}, ref: 1, positions: { a: since } })
    await asked
    channel.leave()
    await app.cable.broadcast('a', 2)
    channel.begin()
    await app.cable.broadcast('a', 3)
    answer.open()
    t.match(await ws.receive(), { type: 'broadcast', ref: 1, data: 1 })
    t.match(await ws.receive(), { type: 'broadcast', ref: 1, data: 2 })
    t.match(await ws.receive(), { type: 'confirm_subscription', streams: { a: /\.3$/ }, recovered: true })
    t.match(await ws.receive(), { type: 'broadcast', data: 3 })
  })

  t.test('answers nothing to who has left while what was missed is looked up', async t => {
    const [asked, answer] = [gate(), gate()]
    const cable = new LateBackend()
    cable.isLate = false
    cable.replay = (): any => {
      asked.open()
      return answer.then(() => [])
    }
    const { app } = await setting(t, { channels, cable, limits: { endTimeout: 20 } })
    const ws = await connect(app, v1)
    const params = { streams: ['a'] }
    const { streams } = await ws.subscribe(TUNE, params) as any
    ws.send({ command: 'subscribe', channel: TUNE, params, positions: streams })
    ws.unsubscribe(TUNE, params)
    await asked
    await until('it has left', () => app.cable.health().subscriptions === 0)
    answer.open()
    await fence(t, ws, 'silence', TUNE, params)
  })

  t.test('and says a gap before it has begun to listen: there is nothing to lose yet', async t => {
    const cable = new LateBackend()
    cable.isLate = false
    cable.listen = stream => {
      cable.host.gap(stream, 'epoch.7')
      return InProcessBackend.prototype.listen.call(cable, stream)
    }
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app, v1)
    t.match(await ws.subscribe(TUNE, { streams: ['a'] }), { type: 'confirm_subscription' })
    t.match(await ws.perform(TUNE, 'start', 'b', { streams: ['a'] }), { status: 'ok' })
    t.match(await ws.receive(), { type: 'streams' })
    for (const stream of ['a', 'b']) await app.cable.broadcast(stream, stream)
    for (const data of ['a', 'b']) t.match(await ws.receive(), { type: 'broadcast', data })
    await fence(t, ws, 'no gap')
  })

  t.test('and tells late where a stream goes on: it is confirmed there', async t => {
    const cable = new LateBackend()
    cable.listen = async stream => {
      const at = await LateBackend.prototype.listen.call(cable, stream)
      return stream === 'away' ? null : at
    }
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app, v1)
    const answer = ws.subscribe(TUNE, { streams: ['away', 'slow'] })
    await until('both are listened to', () => cable.listening.length === 2)
    const [away, slow] = cable.listening.map(([, waits]) => waits)
    away!.open()
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
    cable.host.gap('away', 'epoch.7')
    slow!.open()
    t.match(await answer, { type: 'confirm_subscription', streams: { away: 'epoch.7', slow: position } })
    await fence(t, ws, 'no gap')
  })

  t.test('holds what is not kept for a late stream as well, and tells it once', async t => {
    for (const options of [{}, v1]) {
      const cable = new LateBackend()
      const { app } = await setting(t, { channels, cable })
      const ws = await connect(app, options)
      for (const params of [{}, { n: 1 }]) {
        await ws.subscribe(TUNE, params)
        await ws.perform(TUNE, 'start', 'a', params)
      }
      await app.cable.broadcast('a', 'typing', { history: false })
      cable.listening[0]![1].open()
      if ('protocols' in options) t.match(await ws.receive(), { type: 'streams', params: {} })
      t.match(await ws.receive(), { data: 'typing' })
      if ('protocols' in options) t.match(await ws.receive(), { type: 'streams', params: { n: 1 } })
      else t.match(await ws.receive(), { params: { n: 1 }, data: 'typing' })
      await fence(t, ws, 'once')
    }
  })

  t.test('for which more is said than may be held ends the subscription that waits for it, though it was confirmed', async t => {
    const ends: string[] = []
    class LateChannel extends TuneChannel {
      unsubscribed (reason: string) { ends.push(reason) }
    }
    const cable = new LateBackend()
    const { app } = await setting(t, { channels: { LateChannel }, cable, limits: { maxHeldBroadcasts: 2 } })
    const ws = await connect(app)
    await ws.subscribe('LateChannel')
    await ws.perform('LateChannel', 'start', 'a')
    for (let n = 0; n < 3; n++) await app.cable.broadcast('a', n)
    t.match(await ws.receive(), { type: 'reject_subscription', reason: 'overflow' })
    await until('its end', () => ends.length > 0)
    t.same(ends, ['error'])
    cable.listening[0]![1].open()
    await fence(t, ws, 'silence', 'LateChannel')
  })

  t.test('and delivers what nobody here listens to: nobody hears it', async t => {
    const cable = new LateBackend()
    cable.isLate = false
    const { app } = await setting(t, { channels, cable })
    const ws = await connect(app, v1)
    await ws.subscribe(TUNE, { streams: ['a'] })
    cable.host.deliver('b', { at: 'epoch.1', json: '1', except: null })
    cable.host.gap('b', 'epoch.2')
    await fence(t, ws, 'silence')
  })

  t.test('and cannot stop listening: a warning, no more', async t => {
    const cable = new LateBackend()
    cable.isLate = false
    cable.unlisten = async () => { throw new Error('no redis') }
    const { app, log } = await setting(t, { channels, cable })
    const ws = await connect(app)
    await ws.subscribe(TUNE, { streams: ['a'] })
    await ws.close()
    await until('it is logged', () => log.some(({ level }) => level === 40))
    t.match(log.filter(({ level }) => level >= 40), [{ level: 40, msg: 'the cable could not stop listening', stream: 'a' }])
  })
})
