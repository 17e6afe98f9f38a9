// A peer that does not read: nobody else notices, it costs no more than its cap, and it gets everything later, or is told what it does not get (DESIGN §4).
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import { v1 } from '@fastify-channels/protocol'
import { Channel } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { InProcessBackend } from '../src/in-process.ts'
import { resolveLimits } from '../src/limits.ts'
import { Outlet } from '../src/outlet.ts'
import { kConnections } from '../src/plugin.ts'
import { Socket } from '../src/socket.ts'
import { frame, opcodes, Peer, requestHead } from './corpus/raw.ts'
import { Wire } from './resume-pair.ts'
import { gate, setting } from './setting.ts'
import type { Gate } from './setting.ts'

/** Larger than any chunk, small enough for a turn. */
const SIZE = 60_000
const pad = 'x'.repeat(SIZE)
/** What a kernel takes for a peer that reads nothing, and then some. */
const FLOOD = 300
const soft = 256 * 1024
const roomy = { history: { size: 5000 }, limits: { historyBytes: 512 * 1024 * 1024 } }

const kept = new Map<string, TapChannel>()
let door = gate()

class TapChannel extends Channel<{ name?: string, streams?: string[], waits?: true }> {
  static override actions = { echo: true } as const

  override async subscribed () {
    if (this.params.name !== undefined) kept.set(this.params.name, this)
    for (const stream of this.params.streams ?? ['room']) this.streamFrom(stream)
    if (this.params.waits) await (door = gate())
  }

  echo (n: number) {
    this.send({ sent: n })
    return n
  }

  say (data: unknown) { this.send(data) }
  hear (stream: string) { this.streamFrom(stream) }
}
const TAP = 'TapChannel'

/** One socket on bare TCP that reads when it is told to. */
class Tap {
  readonly peer: Peer
  readonly outlet: Outlet

  constructor (peer: Peer, outlet: Outlet) {
    this.peer = peer
    this.outlet = outlet
  }

  static async open (app: FastifyInstance, protocol: string | null = 'channels-v1'): Promise<Tap> {
    const before = new Set(app[kConnections])
    const peer = await Peer.open((app.server.address() as AddressInfo).port, { 'Sec-WebSocket-Protocol': protocol })
    return new Tap(peer, [...app[kConnections]].find(connection => !before.has(connection))!.outlet)
  }

  say (command: object): void { this.peer.say(JSON.stringify(command)) }

  async subscribe (params: object = {}, more: object = {}): Promise<any> {
    this.say({ command: 'subscribe', channel: TAP, params, ...more })
    return await this.next()
  }

  perform (action: string, data: unknown, params: object = {}): void {
    this.say({ command: 'message', channel: TAP, params, action, data, id: data })
  }

  stop (): void { this.peer.socket.pause() }
  go (): void { this.peer.socket.resume() }
  async next (): Promise<any> { return await this.peer.nextText(60_000) }

  /** What it hears until the broadcast `last` of a stream. */
  async hear (last: number, stream = 'room'): Promise<any[]> {
    const frames: any[] = []
    while (frames.at(-1)?.data?.n !== last || frames.at(-1).stream !== stream) frames.push(await this.next())
    return frames
  }
}

async function house (t: Test, options: FastifyChannelsOptions = {}): Promise<FastifyInstance> {
  const { app } = await setting(t, { channels: { TapChannel }, ...options })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)
const offset = (at: string) => Number(at.split('.')[1])

/** What a peer hears, whatever the dialect. */
async function numbersOf (tap: Tap, count: number): Promise<number[]> {
  const all: number[] = []
  while (all.length < count) all.push((await tap.next()).data.n)
  return all
}

/** Broadcasts from `first` to `last`, a turn each; says after each turn what to look at. */
async function flood (app: FastifyInstance, first: number, last: number, look: () => unknown = () => {}, options: object = {}, stream = 'room'): Promise<void> {
  for (let n = first; n <= last; n++) {
    app.cable.broadcast(stream, { n, pad }, options)
    await turn()
    await look()
  }
}

t.test('a peer that stops reading', async t => {
  t.test('slows nobody, holds no more than its cap, and gets everything once it reads again: all of it, once, in order', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    const others = [await Tap.open(app), await Tap.open(app), await Tap.open(app, null)]
    for (const tap of [slow, ...others]) await tap.subscribe()
    slow.stop()
    let most = 0
    const heard = others.slice(0, 2).map(other => other.hear(FLOOD))
    const plain = numbersOf(others[2]!, FLOOD)
    await flood(app, 1, FLOOD, () => { most = Math.max(most, slow.outlet.queued) })
    for (const frames of await Promise.all(heard)) t.same(frames.map(({ data }) => data.n), numbers(1, FLOOD), 'everybody else has everything')
    t.same(await plain, numbers(1, FLOOD), 'in the plain dialect as well')
    t.equal(slow.peer.heard.length, 0, 'while it has nothing')
    t.ok(slow.outlet.isCongested && slow.outlet.isSlow)
    t.ok(most > soft && most <= soft + 2 * SIZE, `${most} bytes were held, and the soft cap is ${soft}`)
    slow.go()
    const frames = await slow.hear(FLOOD)
    t.same(frames.map(({ data, at }) => [data.n, offset(at)]), numbers(1, FLOOD).map(n => [n, n]))
    t.ok(frames.every(({ type, ref }) => type === 'broadcast' && ref === undefined), 'as ordinary broadcasts')
    await flood(app, FLOOD + 1, FLOOD + 1)
    t.equal((await slow.next()).data.n, FLOOD + 1)
    t.ok(!slow.outlet.isSlow, 'and it follows again')
  })

  t.test('and reads a little, stops, and reads again: still nothing twice and nothing missed', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    await slow.subscribe({ streams: ['room', 'hall'] })
    slow.stop()
    const all = [[], []] as any[][]
    const take = (frame: any) => all[frame.stream === 'room' ? 0 : 1]!.push(frame.data.n)
    let most = 0
    const both = async (from: number, to: number) => {
      for (let n = from; n <= to; n++) {
        for (const stream of ['room', 'hall']) app.cable.broadcast(stream, { n, pad })
        await turn()
        most = Math.max(most, slow.outlet.queued)
      }
    }
    await both(1, FLOOD)
    for (let round = 0; round < 4; round++) {
      slow.go()
      for (let n = 0; n < 40; n++) take(await slow.next())
      slow.stop()
      await both(FLOOD + 1 + round * 20, FLOOD + 20 + round * 20)
    }
    slow.go()
    const last = FLOOD + 80
    while (all[0]!.length < last || all[1]!.length < last) take(await slow.next())
    t.same(all, [numbers(1, last), numbers(1, last)])
    t.ok(most <= soft + 3 * SIZE, `${most} bytes were held`)
  })

  t.test('for longer than history lasts is told of a gap, exactly where it is', async t => {
    const app = await house(t, { history: { size: 20 } })
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    t.ok(slow.outlet.isSlow)
    slow.go()
    const before = []
    let frame = await slow.next()
    for (; frame.type === 'broadcast'; frame = await slow.next()) before.push(frame.data.n)
    t.same(before, numbers(1, before.length), 'what was on its way')
    t.ok(before.length < FLOOD - 20)
    t.match(frame, { type: 'gap', stream: 'room' })
    t.equal(offset(frame.at), FLOOD, 'and nothing of what is left: never a part')
    await flood(app, FLOOD + 1, FLOOD + 2)
    t.same([(await slow.next()).data.n, (await slow.next()).data.n], [FLOOD + 1, FLOOD + 2])
  })

  t.test('is told of a gap that the backend says meanwhile, and nothing older after it', async t => {
    class HoleBackend extends InProcessBackend {
      host: any
      override open (host: any) {
        this.host = host
        super.open(host)
      }
    }
    const cable = new HoleBackend(512 * 1024 * 1024)
    const app = await house(t, { ...roomy, cable })
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    cable.host.gap('room', 'other.5')
    slow.go()
    let frame = await slow.next()
    for (; frame.type === 'broadcast'; frame = await slow.next());
    t.same(frame, { type: 'gap', stream: 'room', at: 'other.5' })
    slow.perform('echo', 1)
    t.match(await slow.next(), { data: { sent: 1 } }, 'is next')
  })

  t.test('in a stream that it leaves, or whose connection ends, is caught up with in nothing', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    await slow.subscribe()
    await slow.subscribe({ streams: ['other'] })
    slow.stop()
    await flood(app, 1, FLOOD)
    slow.say({ command: 'unsubscribe', channel: TAP, params: {} })
    slow.perform('echo', 1, { streams: ['other'] })
    while (app.cable.health().streams > 1) await turn()
    slow.go()
    const before = []
    let next = await slow.next()
    for (; next.type === 'broadcast'; next = await slow.next()) before.push(next.data.n)
    t.same(before, numbers(1, before.length), 'what was on its way')
    t.ok(before.length < FLOOD)
    t.match(next, { data: { sent: 1 } })
    t.match(await slow.next(), { type: 'reply' })
    slow.perform('echo', 2, { streams: ['other'] })
    t.match(await slow.next(), { data: { sent: 2 } }, 'is next')

    t.match(await slow.subscribe(), { type: 'reply' })
    t.match(await slow.next(), { type: 'confirm_subscription', recovered: null })
    slow.stop()
    await flood(app, FLOOD + 1, 2 * FLOOD)
    slow.peer.reset()
    while ([...app[kConnections]].length > 0) await turn()
    t.equal(app.cable.health().streams, 0)
  })

  t.test('in a stream that it leaves and takes anew while that is looked up, is told nothing of before', async t => {
    const [asked, answer] = [gate(), gate()]
    class LateBackend extends InProcessBackend {
      override replay (...args: [string, string, string]): any {
        asked.open()
        return answer.then(() => super.replay(...args))
      }
    }
    const app = await house(t, { ...roomy, cable: new LateBackend(512 * 1024 * 1024) })
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    slow.go()
    await asked
    slow.say({ command: 'unsubscribe', channel: TAP, params: {} })
    slow.say({ command: 'subscribe', channel: TAP, params: {}, ref: 'anew' })
    let next = await slow.next()
    for (let n = 1; next.type === 'broadcast'; n++, next = await slow.next()) t.ok(next.data.n === n && n < FLOOD, 'what was on its way')
    t.match(next, { type: 'confirm_subscription', ref: 'anew' })
    answer.open()
    await flood(app, FLOOD + 1, FLOOD + 1)
    t.match(await slow.next(), { type: 'broadcast', data: { n: FLOOD + 1 } }, 'is next')
  })

  t.test('and subscribes to more: what was held for that waits in history with the rest', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    slow.say({ command: 'subscribe', channel: TAP, params: { streams: ['hall'], waits: true }, ref: 1 })
    while (app.cable.health().streams < 2) await turn()
    await flood(app, 1, 15, () => {}, {}, 'hall')
    const before = slow.outlet.queued
    door.open()
    while (slow.outlet.queued === before) await turn()
    t.ok(slow.outlet.queued - before < SIZE, `${slow.outlet.queued - before} bytes more, for the confirmation`)
    slow.go()
    const frames: any[] = []
    while (frames.filter(({ stream }) => stream === 'hall').length < 15 || frames.filter(({ stream }) => stream === 'room').length < FLOOD) frames.push(await slow.next())
    const hall = frames.filter(({ type, stream }) => type === 'confirm_subscription' || stream === 'hall')
    t.match(hall.shift(), { type: 'confirm_subscription', streams: { hall: /\.0$/ } })
    t.same(hall.map(({ data }) => data.n), numbers(1, 15))
  })

  t.test('and listens to more: what was held for that, and what is said then, waits in history with the rest', async t => {
    const begun = gate()
    class LateBackend extends InProcessBackend {
      override listen (stream: string): any {
        const at = super.listen(stream)
        return stream === 'yard' ? begun.then(() => at) : at
      }
    }
    const app = await house(t, { ...roomy, cable: new LateBackend(512 * 1024 * 1024) })
    const slow = await Tap.open(app)
    await slow.subscribe({ name: 'more', streams: ['room'] })
    slow.stop()
    await flood(app, 1, FLOOD)
    kept.get('more')!.hear('yard')
    const before = slow.outlet.queued
    await flood(app, 1, 8, () => {}, {}, 'yard')
    begun.open()
    while (slow.outlet.queued === before) await turn()
    t.ok(slow.outlet.queued - before < SIZE, `${slow.outlet.queued - before} bytes more, for the announcement`)
    await flood(app, 9, 15, () => {}, {}, 'yard')
    slow.go()
    const frames: any[] = []
    while (frames.filter(({ stream }) => stream === 'yard').length < 15 || frames.filter(({ stream }) => stream === 'room').length < FLOOD) frames.push(await slow.next())
    const yard = frames.filter(({ type, stream }) => type === 'streams' || stream === 'yard')
    t.match(yard.shift(), { type: 'streams', streams: { yard: /\.0$/ } })
    t.same(yard.map(({ data }) => data.n), numbers(1, 15))
  })

  t.test('and comes back for another subscription that stands further back: it goes on from there, and who is ahead is not told of a loss', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    const { streams: { room: start } } = await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    const [epoch] = start.split('.')
    // Each is answered before the next is asked.
    const ask = async (command: object) => {
      const { queued } = slow.outlet
      slow.say({ command: 'subscribe', channel: TAP, ...command })
      while (slow.outlet.queued === queued) await turn()
    }
    await ask({ params: { streams: ['room'] }, ref: 1, positions: { room: `${epoch}.1` } })
    await ask({ params: {}, ref: 2, positions: { room: `${epoch}.3` } })
    slow.go()
    const before = []
    let frame = await slow.next()
    for (; frame.type === 'broadcast'; frame = await slow.next()) before.push(frame.data.n)
    t.same(before, numbers(1, before.length), 'what was on its way')
    t.match(frame, { ref: 1, streams: { room: `${epoch}.1` }, recovered: true })
    const after = []
    for (let frame = await slow.next(); frame.data?.n !== FLOOD; frame = await slow.next()) {
      if (frame.type === 'broadcast') after.push(frame.data.n)
      else t.match(frame, { type: 'confirm_subscription', ref: 2, streams: { room: `${epoch}.3` }, recovered: true })
    }
    t.same(after, numbers(2, FLOOD - 1), 'from the place of the one further back')
  })

  t.test('keeps the order of what is sent to it alone, and its confirmations', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    for (let n = 0; n < 20; n++) slow.perform('echo', n)
    slow.say({ command: 'subscribe', channel: TAP, params: { streams: ['other'] } })
    slow.perform('echo', 20, { streams: ['other'] })
    slow.go()
    const frames: any[] = []
    while (frames.filter(({ type }) => type === 'broadcast').length < FLOOD || frames.filter(({ type }) => type !== 'broadcast').length < 43) frames.push(await slow.next())
    const own = frames.filter(({ type }) => type !== 'broadcast').map(({ type, data }) => [type, data?.sent ?? data])
    const isOther = ([type, n]: unknown[]) => type === 'confirm_subscription' || n === 20
    t.same(own.filter(each => !isOther(each)), numbers(0, 19).flatMap(n => [['message', n], ['reply', n]]))
    t.same(own.filter(isOther), [['confirm_subscription', undefined], ['message', 20], ['reply', 20]])
    t.same(frames.filter(({ type }) => type === 'broadcast').map(({ data }) => data.n), numbers(1, FLOOD))
  })
})

t.test('a connection that follows gets everything in the order it was said', async t => {
  const app = await house(t)
  const tap = await Tap.open(app)
  await tap.subscribe({ name: 'order' })
  const channel = kept.get('order')!
  const said = []
  for (let n = 0; n < 300; n++) {
    app.cable.broadcast('room', { n })
    channel.say(`sent ${n}`)
    if (n % 3 === 0) app.cable.broadcast('room', { n: `unkept ${n}` }, { history: false })
    said.push(n, `sent ${n}`, ...n % 3 === 0 ? [`unkept ${n}`] : [])
    if (n % 7 === 0) await turn()
  }
  const heard = []
  while (heard.length < said.length) {
    const { data } = await tap.next()
    heard.push(data.n ?? data)
  }
  t.same(heard, said)
})

t.test('what cannot be told later', async t => {
  t.test('closes a plain connection: 1013', async t => {
    const app = await house(t)
    const [slow, other] = [await Tap.open(app, null), await Tap.open(app, null)]
    for (const tap of [slow, other]) await tap.subscribe()
    slow.stop()
    const heard = numbersOf(other, FLOOD)
    await flood(app, 1, FLOOD)
    t.same(await heard, numbers(1, FLOOD))
    t.ok(!slow.outlet.isOpen)
    slow.go()
    t.same(await slow.peer.ended(), { code: 1013 })
    const all = slow.peer.heard.filter(({ opcode }) => opcode === opcodes.text).map(({ payload }) => JSON.parse(payload.toString()).data.n)
    t.same(all, numbers(1, all.length), 'after what was on its way, without a hole')
  })

  t.test('of a stream without history is the latest only', async t => {
    for (const protocol of ['channels-v1', null]) {
      const app = await house(t, { history: false })
      const slow = await Tap.open(app, protocol)
      await slow.subscribe({ streams: ['room', 'typing'] })
      await slow.subscribe({ streams: ['typing'] })
      slow.stop()
      const both = (n: number) => { for (const stream of ['room', 'typing']) app.cable.broadcast(stream, { n, stream, pad }) }
      for (let n = 1; n <= FLOOD; n++) {
        both(n)
        await turn()
      }
      t.ok(slow.outlet.queued <= soft + 5 * SIZE, `${slow.outlet.queued} bytes`)
      slow.go()
      const all: any[] = []
      const latest = protocol === null ? 3 : 2
      while (all.filter(({ data }) => data.n === FLOOD).length < latest) all.push(await slow.next())
      for (const stream of ['room', 'typing']) {
        for (const key of new Set(all.map(({ params }) => JSON.stringify(params)))) {
          const heard = all.filter(({ params, data }) => JSON.stringify(params) === key && data.stream === stream).map(({ data }) => data.n)
          if (heard.length === 0) continue
          t.same(heard, [...numbers(1, heard.length - 1), FLOOD], `${stream} to ${key ?? 'all'}: what was on its way, and the last one`)
          t.ok(heard.length < FLOOD)
        }
      }
      both(FLOOD + 1)
      t.equal((await slow.next()).data.n, FLOOD + 1)
    }
  })

  t.test('is not for who subscribes after it was said', async t => {
    const app = await house(t, { ...roomy, history: stream => stream === 'room' ? { size: 5000 } : false })
    const slow = await Tap.open(app)
    await slow.subscribe()
    await slow.subscribe({ streams: ['typing'] })
    slow.stop()
    await flood(app, 1, FLOOD)
    app.cable.broadcast('typing', { typing: 'before' })
    slow.say({ command: 'unsubscribe', channel: TAP, params: { streams: ['typing'] } })
    slow.say({ command: 'subscribe', channel: TAP, params: { streams: ['typing'] }, ref: 1 })
    slow.perform('echo', 1, { streams: ['typing'] })
    slow.go()
    const frames: any[] = []
    while (frames.at(-1)?.data?.n !== FLOOD) frames.push(await slow.next())
    app.cable.broadcast('typing', { typing: 'after' })
    while (frames.at(-1)?.data?.typing === undefined) frames.push(await slow.next())
    t.equal(frames.at(-1).data.typing, 'after')
  })

  t.test('nor for who left meanwhile, in any dialect', async t => {
    const app = await house(t, { history: false })
    const slow = await Tap.open(app, null)
    await slow.subscribe()
    await slow.subscribe({ streams: ['typing'] })
    slow.stop()
    await flood(app, 1, FLOOD)
    app.cable.broadcast('typing', { n: 'left' })
    slow.say({ command: 'unsubscribe', channel: TAP, params: { streams: ['typing'] } })
    while (app.cable.health().streams > 1) await turn()
    slow.go()
    const frames: any[] = []
    while (frames.at(-1)?.data.n !== FLOOD) frames.push(await slow.next())
    slow.perform('echo', 1)
    frames.push(await slow.next())
    t.match(frames.at(-1), { data: { sent: 1 } }, 'nothing comes between')
    t.same(frames.filter(({ data }) => data.n === 'left'), [])
  })

  t.test('is the latest also while the peer is being caught up with', async t => {
    const waiting: Gate[] = []
    class LateBackend extends InProcessBackend {
      override replay (stream: string, since: string, upTo: string): any {
        waiting.push(gate())
        return waiting.at(-1)!.then(() => super.replay(stream, since, upTo))
      }
    }
    const app = await house(t, { ...roomy, cable: new LateBackend(512 * 1024 * 1024) })
    const slow = await Tap.open(app)
    await slow.subscribe()
    await slow.subscribe({ streams: ['typing'] })
    slow.stop()
    await flood(app, 1, FLOOD)
    app.cable.broadcast('typing', { typing: 1 }, { history: false })
    slow.go()
    while (waiting.length === 0) await turn()
    t.ok(!slow.outlet.isCongested && slow.outlet.isSlow)
    app.cable.broadcast('typing', { typing: 2 }, { history: false })
    app.cable.broadcast('typing', { n: 0 })
    const frames: any[] = []
    const rest = (async () => { while (frames.at(-1)?.data.typing === undefined) frames.push(await slow.next()) })()
    while (!frames.some(({ data }) => data.typing !== undefined)) {
      for (const each of waiting.splice(0)) each.open()
      await turn()
    }
    await rest
    t.same(frames.filter(({ stream }) => stream === 'typing').map(({ data }) => data.typing ?? data.n), [0, 2], 'what it replaced does not come after it')
    t.same(frames.filter(({ stream }) => stream === 'room').map(({ data }) => data.n), numbers(1, FLOOD))
  })

  t.test('or closes the connection, where the option slow says so for that stream', async t => {
    const app = await house(t, { history: () => false, slow: stream => stream === 'room' ? 'close' : 'latest' })
    const [strict, lenient] = [await Tap.open(app), await Tap.open(app)]
    await strict.subscribe()
    await lenient.subscribe({ streams: ['hall'] })
    for (const tap of [strict, lenient]) tap.stop()
    await flood(app, 1, FLOOD)
    await flood(app, 1, FLOOD, () => {}, {}, 'hall')
    t.ok(!strict.outlet.isOpen)
    t.ok(lenient.outlet.isOpen)
    strict.go()
    t.same(await strict.peer.ended(), { code: 1013 })
  })

  t.test('and an option slow that throws costs its own peer the connection, and nobody else the broadcast', async t => {
    const app = await house(t, { history: () => false, slow: () => { throw new Error('which stream?') } })
    const [stuck, bystander] = [await Tap.open(app), await Tap.open(app)]
    await stuck.subscribe()
    await bystander.subscribe()
    stuck.stop()
    await flood(app, 1, FLOOD)
    t.ok(!stuck.outlet.isOpen)
    for (let n = 1; n <= FLOOD; n++) t.equal((await bystander.next()).data.n, n)
  })

  t.test('slow: anything else is an error at boot', async t => {
    for (const slow of ['fast', 1, null]) await t.rejects(setting(t, { slow: slow as never }), { code: 'FST_CHANNELS_INVALID_OPTION' }, String(slow))
  })

  t.test('and a broadcast that is not kept does not overtake what waits of its stream', async t => {
    const app = await house(t, roomy)
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    for (const n of [1, 2, 3]) app.cable.broadcast('room', { typing: n }, { history: false })
    slow.go()
    const frames = []
    while (frames.at(-1)?.data.typing !== 3) frames.push(await slow.next())
    t.same(frames.map(({ data }) => data.n ?? data.typing), [...numbers(1, FLOOD), 3], 'the latest, after all of them')
  })
})

t.test('the hard cap', async t => {
  t.test('ends who leaves too much unread of what is sent to it alone', async t => {
    const app = await house(t)
    const [slow, other] = [await Tap.open(app), await Tap.open(app)]
    await slow.subscribe({ name: 'slow' })
    await other.subscribe({ name: 'other' })
    slow.stop()
    let most = 0
    for (let n = 0; n < 5 * FLOOD && slow.outlet.isOpen; n++) {
      kept.get('slow')!.say(pad)
      await turn()
      most = Math.max(most, slow.outlet.queued)
    }
    t.ok(!slow.outlet.isOpen, 'without a word')
    t.ok(most <= 1024 * 1024 + 2 * SIZE, `${most} bytes were held`)
    while ([...app[kConnections]].length > 1) await turn()
    app.cable.broadcast('room', { n: 1 })
    t.equal((await other.next()).data.n, 1)
    slow.go()
    t.same(await slow.peer.ended(), { code: null })
  })

  t.test('is not held against a peer that reads: one large turn is no sign of slowness', async t => {
    const app = await house(t, { ...roomy, limits: { ...roomy.limits, sendQueueSoft: 100_000, sendQueueHard: 200_000 } })
    const tap = await Tap.open(app)
    await tap.subscribe({ name: 'large' })
    for (let n = 0; n < 100; n++) kept.get('large')!.say({ n, pad })
    for (let n = 0; n < 100; n++) t.equal((await tap.next()).data.n, n)
  })
})

t.test('who takes nothing for stallTimeout is ended, and who takes a little is not', async t => {
  t.test('on a real line', async t => {
    const app = await house(t, { ...roomy, limits: { ...roomy.limits, stallTimeout: 100 } })
    const slow = await Tap.open(app)
    await slow.subscribe()
    slow.stop()
    await flood(app, 1, FLOOD)
    while ([...app[kConnections]].length > 0) await turn()
    t.notOk(slow.outlet.isOpen)
    slow.go()
    t.same(await slow.peer.ended(), { code: null })
  })

  t.test('by the clock', async t => {
    mock.timers.enable({ apis: ['setInterval'] })
    t.teardown(() => mock.timers.reset())
    const events: string[] = []
    class Watched extends Socket {
      protected override congested () { events.push('congested') }
      protected override drained () { events.push('drained') }
    }
    const wire = new Wire()
    const socket = new Watched({ _socket: wire, OPEN: 1, readyState: 1, terminate: () => events.push('terminated') } as never, { sendQueueSoft: 1000, sendQueueHard: 10_000, stallTimeout: 10_000 })
    const write = async (size: number) => {
      socket.write(frame('x'.repeat(size)))
      await turn()
    }
    await write(900)
    mock.timers.tick(60_000)
    t.same(events, [], 'below the soft cap nothing is watched')
    await write(500)
    t.same(events, ['congested'])
    for (let n = 0; n < 5; n++) {
      mock.timers.tick(9_999)
      wire.pull(1)
      mock.timers.tick(1)
    }
    t.same(events, ['congested'], 'a byte in ten seconds is progress')
    for (let n = 0; n < 10; n++) {
      wire.pull(10_000)
      await turn()
    }
    t.same(events, ['congested', 'drained'])
    mock.timers.tick(60_000)
    await write(2_000)
    t.same(events, ['congested', 'drained', 'congested'])
    mock.timers.tick(9_999)
    t.equal(events.length, 3)
    wire.pull(1)
    mock.timers.tick(1)
    t.equal(events.length, 3, 'it took one')
    mock.timers.tick(9_999)
    t.equal(events.length, 3)
    mock.timers.tick(1)
    t.equal(events.at(-1), 'terminated', 'and then nothing any more')
  })
})

t.test('who comes back after much was said is confirmed where it stands, and caught up with as fast as it reads', async t => {
  const app = await house(t, roomy)
  const first = await Tap.open(app)
  const { streams } = await first.subscribe()
  first.peer.destroy()
  await flood(app, 1, FLOOD)
  const again = await Tap.open(app)
  const confirm = await again.subscribe({}, { ref: 1, positions: streams })
  t.match(confirm, { type: 'confirm_subscription', streams, recovered: true }, 'at its own place, at once')
  again.stop()
  let most = 0
  await flood(app, FLOOD + 1, FLOOD + 50, () => { most = Math.max(most, again.outlet.queued) })
  t.ok(most <= soft + 3 * SIZE, `${most} bytes were held`)
  again.go()
  const frames = await again.hear(FLOOD + 50)
  t.same(frames.map(({ data }) => data.n), numbers(1, FLOOD + 50))
  t.ok(frames.every(({ ref }) => ref === undefined))

  t.test('also where another subscription of its connection is ahead, which hears nothing that its place does not tell it to skip', async t => {
    const both = await Tap.open(app)
    const { streams: { room } } = await both.subscribe({ streams: ['room'] })
    t.match(await both.subscribe({}, { ref: 2, positions: streams }), { ref: 2, streams, recovered: true })
    const frames = await both.hear(FLOOD + 50)
    t.same(frames.map(({ data }) => data.n), numbers(1, FLOOD + 50))
    t.equal(offset(room), FLOOD + 50)
    await flood(app, FLOOD + 51, FLOOD + 51)
    t.equal((await both.next()).data.n, FLOOD + 51)
  })

  t.test('and what is not kept is not lost with it', async t => {
    const tap = await Tap.open(app)
    const waits = tap.subscribe({}, { ref: 3, positions: streams })
    // Said while the answer is looked up.
    app.cable.broadcast('room', { typing: true }, { history: false })
    t.match(await waits, { type: 'confirm_subscription' })
    const frames = await tap.hear(FLOOD + 51)
    t.same(frames.filter(({ data }) => data.n !== undefined).map(({ data }) => data.n), numbers(1, FLOOD + 51))
  })
})

t.test('a stream that falls behind in the very moment another one has caught up is not forgotten', async t => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const listening = { hears: () => true, position: () => 'e.1', replay: (stream: string) => stream === 'a' ? [] : new Promise(() => {}) }
    const outlet = new Outlet({ _socket: new Wire(), OPEN: 1, readyState: 1 } as never, v1, { listening, limits: resolveLimits(), slowPolicyOf: () => 'latest' } as never)
    outlet.leaveAt('a', 'e.1')
    for (let n = 0; n < ticks; n++) await null
    outlet.leaveAt('b', 'e.0')
    await turn()
    t.ok(outlet.isSlow && outlet.sentUpTo('b') === 'e.0', `after ${ticks} steps`)
  }
})

t.test('what the socket reads of ws is there, in the version in use', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const line = dial({ port, host: '127.0.0.1' })
  t.teardown(() => line.destroy())
  line.write(requestHead())
  const [ws] = await once(server, 'connection') as [WebSocket]
  const { _socket: raw, _receiver: receiver } = ws as unknown as { _socket: object, _receiver: { [name: string]: unknown } }
  t.equal(raw.constructor.name, 'Socket')
  t.same(['_bufferedBytes', '_state', '_fragmented'].map(name => typeof receiver[name]), ['number', 'number', 'number'])
  const socket = new Socket(ws, { sendQueueSoft: 1, sendQueueHard: 1, stallTimeout: Infinity })
  const heard: string[] = []
  ws.on('message', data => heard.push(data.toString()))
  const bytes = raw as { bytesRead: number }
  const says = async (piece: Buffer) => {
    const before = bytes.bytesRead
    line.write(piece)
    while (bytes.bytesRead < before + piece.length) await turn()
    await turn()
    return socket.isReceiving
  }
  t.equal(socket.isReceiving, false, 'nothing has come')
  const whole = frame('x'.repeat(300))
  for (const [from, to] of [[0, 1], [1, 3], [3, 10], [10, 200]] as const) t.equal(await says(whole.subarray(from, to)), true, `the first ${to} bytes of a message`)
  t.equal(await says(whole.subarray(200)), false, 'all of it')
  t.equal(await says(frame('part', { fin: false })), true, 'the first fragment, complete')
  t.equal(await says(frame('', { opcode: opcodes.ping })), true, 'a ping between')
  t.equal(await says(frame('ed', { opcode: opcodes.continuation })), false)
  t.same(heard, ['x'.repeat(300), 'parted'])
  const closed = once(ws, 'close')
  line.destroy()
  await closed
  t.type(socket.isReceiving, 'boolean', 'and after the end it does no harm')
})
