// The server against a plain model of itself: any sequence of commands, broadcasts, faults and farewells, in both dialects, on real sockets.
// A longer run: MODEL_RUNS=20000 npx tap packages/fastify-channels/test/model.test.ts (MODEL_SEED repeats one).
import fc from 'fast-check'
import { ActionError, Channel } from 'fastify-channels'
import tap from 'tap'
import { InProcessBackend } from '../src/in-process.ts'
import { start, until, watchProcess } from './corpus/app.ts'
import type { Setting } from './corpus/app.ts'
import { frame, opcodes, Peer } from './corpus/raw.ts'

const runs = Number(process.env.MODEL_RUNS ?? 60)
const seed = process.env.MODEL_SEED === undefined ? {} : { seed: Number(process.env.MODEL_SEED) }

const whats = ['answers', 'throws', 'refuses', 'says', 'hangs'] as const
const verdicts = ['confirms', 'rejects', 'throws'] as const
type How = 'confirms' | 'rejects' | 'throws' | 'waits'
type What = typeof whats[number]
type Verdict = typeof verdicts[number]

// ---- the app: every hook does what its params say, and what waits goes on when the test says so

interface Counts { begun: number, completed: number, ended: number }
const counts: Counts = { begun: 0, completed: 0, ended: 0 }
const gates = new Map<string, (verdict: Verdict) => void>()

function gate (name: string): Promise<Verdict> {
  return new Promise(resolve => gates.set(name, resolve))
}

class ModelChannel extends Channel<{ room: number, how: How }> {
  static override actions = { act: true } as const

  override async subscribed () {
    counts.begun++
    const { room, how } = this.params
    this.streamFrom(`room_${room}`)
    const verdict = how === 'waits' ? await gate(`${this.request.headers['x-name']} ${room} ${how}`) : how
    if (verdict === 'rejects') this.reject()
    if (verdict === 'throws') throw new Error('as it was asked to')
    counts.completed++
  }

  override unsubscribed () { counts.ended++ }

  async act ({ what, n }: { what: What, n: number }) {
    if (what === 'throws') throw new Error('as it was asked to')
    if (what === 'refuses') throw new ActionError('no')
    if (what === 'says') await this.broadcast(`room_${this.params.room}`, n)
    if (what === 'hangs') await gate(`act ${n}`)
    return n
  }
}

class CountingBackend extends InProcessBackend {
  readonly streams = new Set<string>()
  override listen (stream: string) { this.streams.add(stream); return super.listen(stream) }
  override unlisten (stream: string) { this.streams.delete(stream); super.unlisten(stream) }
}

// ---- what one client hears, per subscription, whatever the dialect

class Listener {
  readonly peer: Peer
  readonly answers = new Map<string, string[]>()
  readonly messages = new Map<string, number[]>()
  /** channels-v1: where each subscription stands in its streams. */
  readonly #positions = new Map<string, Map<string, number>>()
  readonly #keyOfCall = new Map<number, string>()

  constructor (peer: Peer) { this.peer = peer }

  say (command: object, key: string, id?: number): void {
    if (id !== undefined) this.#keyOfCall.set(id, key)
    this.peer.say(JSON.stringify(command))
  }

  /** Settles when the server has read all that was said. */
  async settle (): Promise<void> {
    this.peer.write(frame('', { opcode: opcodes.ping }))
    for (let heard = await this.peer.next(); heard.opcode !== opcodes.pong; heard = await this.peer.next()) this.#take(heard.opcode, heard.payload)
  }

  /** Takes what is there. */
  read (): void {
    (this.peer.heard as Array<{ opcode: number, payload: Buffer }>).splice(0).forEach(({ opcode, payload }) => this.#take(opcode, payload))
  }

  #take (opcode: number, payload: Buffer): void {
    if (opcode !== opcodes.text) return
    const { type, channel, params, reason, id, status, data, streams, stream, at, ref } = JSON.parse(payload.toString())
    const key = params === undefined ? '' : nameOf(params)
    switch (type) {
      case 'confirm_subscription':
        this.#positions.set(key, new Map(Object.entries(streams ?? {}).map(([name, position]) => [name, offset(position)])))
        return push(this.answers, key, 'confirm')
      case 'reject_subscription':
        this.#positions.delete(key)
        return push(this.answers, key, `reject ${reason}`)
      case 'reply': return push(this.answers, this.#keyOfCall.get(id)!, `reply ${id} ${status === 'ok' ? data : reason}`)
      case 'message': return push(this.messages, key, data)
      case 'broadcast': return this.#heard(stream, at, ref, data)
      case 'disconnect': return
      default: push(this.answers, 'unexpected', `${type} ${channel} ${reason}`)
    }
  }

  #heard (stream: string, at: string, ref: string | undefined, data: number): void {
    if (ref !== undefined) return push(this.messages, ref, data)
    for (const [key, streams] of this.#positions) {
      const before = streams.get(stream)
      if (before === undefined || before >= offset(at)) continue
      streams.set(stream, offset(at))
      push(this.messages, key, data)
    }
  }

  left (key: string): void { this.#positions.delete(key) }
}

const offset = (position: unknown) => Number(String(position).split('.')[1])
const nameOf = ({ room, how }: { room: number, how: How }) => `${room} ${how}`

function push<T> (lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

// ---- the model

type Order = { readonly do: 'subscribe' } | { readonly do: 'unsubscribe' } | { readonly do: 'act', readonly what: What, readonly n: number }

interface Sub {
  readonly room: number
  readonly how: How
  state: 'none' | 'waits' | 'live'
  /** The call that hangs. */
  hangs: number | null
  queue: Order[]
  held: number[]
  answers: string[]
  messages: number[]
}

class Model {
  readonly connections = new Map<number, { readonly user: string | null, readonly subs: Map<string, Sub> }>()
  readonly counts: Counts = { begun: 0, completed: 0, ended: 0 }
  /** What still waits of connections that are gone: the gate, and whether an end is owed once it opens. */
  readonly orphans: Array<{ readonly gate: string, readonly owes: boolean }> = []
  n = 0

  sub (connection: number, room: number, how: How): Sub {
    const { subs } = this.connections.get(connection)!
    const key = nameOf({ room, how })
    if (!subs.has(key)) subs.set(key, { room, how, state: 'none', hangs: null, queue: [], held: [], answers: [], messages: [] })
    return subs.get(key)!
  }

  take (sub: Sub, order: Order): void {
    if (sub.state === 'waits' || sub.hangs !== null) sub.queue.push(order)
    else this.#carryOut(sub, order)
  }

  /** What waits for the test to let it go on. */
  get waiting (): Array<readonly [connection: number, sub: Sub]> {
    return [...this.connections].flatMap(([connection, { subs }]) => [...subs.values()].filter(({ state, hangs }) => state === 'waits' || hangs !== null).map(sub => [connection, sub] as const))
  }

  broadcast (room: number, n: number): void {
    for (const { subs } of this.connections.values()) {
      for (const sub of subs.values()) {
        if (sub.room !== room) continue
        if (sub.state === 'live') sub.messages.push(n)
        if (sub.state === 'waits') sub.held.push(n)
      }
    }
  }

  goOn (sub: Sub, verdict: Verdict): void {
    if (sub.state === 'waits') {
      sub.state = 'none'
      this.#decide(sub, verdict)
    } else {
      sub.answers.push(`reply ${sub.hangs} ${sub.hangs}`)
      sub.hangs = null
    }
    while (sub.queue.length > 0 && (sub.state as string) !== 'waits' && sub.hangs === null) this.#carryOut(sub, sub.queue.shift()!)
  }

  leave (connection: number): void {
    for (const sub of this.connections.get(connection)!.subs.values()) {
      if (sub.state === 'waits') this.orphans.push({ gate: `${connection} ${nameOf(sub)}`, owes: true })
      else if (sub.hangs !== null) this.orphans.push({ gate: `act ${sub.hangs}`, owes: true })
      else if (sub.state === 'live') this.counts.ended++
    }
    this.connections.delete(connection)
  }

  #carryOut (sub: Sub, order: Order): void {
    if (order.do === 'unsubscribe') {
      if (sub.state === 'live') this.counts.ended++
      sub.state = 'none'
    } else if (order.do === 'subscribe') {
      if (sub.state === 'live') sub.answers.push('confirm')
      else this.#begin(sub)
    } else if (sub.state !== 'live') {
      sub.answers.push(`reply ${order.n} not_subscribed`)
    } else {
      this.#act(sub, order)
    }
  }

  #begin (sub: Sub): void {
    this.counts.begun++
    sub.held = []
    if (sub.how === 'waits') sub.state = 'waits'
    else this.#decide(sub, sub.how)
  }

  #decide (sub: Sub, verdict: Verdict): void {
    if (verdict === 'confirms') {
      this.counts.completed++
      sub.state = 'live'
      sub.answers.push('confirm')
      sub.messages.push(...sub.held)
    } else {
      sub.answers.push(verdict === 'rejects' ? 'reject undefined' : 'reject error')
    }
  }

  #act (sub: Sub, { what, n }: { what: What, n: number }): void {
    if (what === 'hangs') sub.hangs = n
    else if (what === 'throws') sub.answers.push(`reply ${n} error`)
    else if (what === 'refuses') sub.answers.push(`reply ${n} no`)
    else {
      if (what === 'says') this.broadcast(sub.room, n)
      sub.answers.push(`reply ${n} ${n}`)
    }
  }
}

// ---- the real one, and the two compared after every step

class World {
  readonly setting: Setting
  readonly protocol: string | null
  readonly backend: CountingBackend
  readonly listeners = new Map<number, Listener>()

  constructor (setting: Setting, backend: CountingBackend, protocol: string | null) {
    this.setting = setting
    this.backend = backend
    this.protocol = protocol
  }

  async agrees (model: Model): Promise<void> {
    const deadline = performance.now() + 10_000
    for (;;) {
      for (const listener of this.listeners.values()) listener.read()
      const [is, should] = [this.#seen(model), this.#expected(model)]
      if (is === should) return
      if (performance.now() > deadline) throw new Error(`the server and the model differ:\n  server ${is}\n  model  ${should}`)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  async end (model: Model): Promise<void> {
    for (const listener of this.listeners.values()) await listener.settle()
    await this.agrees(model)
    while (![...model.connections.keys()].every(connection => isQuiet(model, connection))) await new GoOn(0, 'confirms').run(model, this)
    for (const connection of [...model.connections.keys()]) {
      this.listeners.get(connection)!.peer.destroy()
      this.listeners.delete(connection)
      model.leave(connection)
    }
    await until(() => this.setting.connections() === 0)
    for (const { gate, owes } of model.orphans.splice(0)) {
      gates.get(gate)!('confirms')
      if (gate.startsWith('act')) model.counts.ended++
      else if (owes) { model.counts.completed++; model.counts.ended++ }
    }
    await this.agrees(model)
    // Whatever ended it: exactly once for each that completed.
    if (counts.completed !== counts.ended) throw new Error(`unsubscribed() ran ${counts.ended} times after ${counts.completed} subscriptions`)
    await until(() => this.backend.streams.size === 0)
  }

  #seen (model: Model): string {
    const heard = [...model.connections].map(([connection, { subs }]) => [...subs.keys()].map(key => {
      const { answers, messages } = this.listeners.get(connection)!
      return [connection, key, answers.get(key) ?? [], messages.get(key) ?? [], answers.get('unexpected') ?? []]
    }))
    return JSON.stringify([counts, heard])
  }

  #expected (model: Model): string {
    const heard = [...model.connections].map(([connection, { subs }]) => [...subs].map(([key, { answers, messages }]) => [connection, key, answers, messages, []]))
    return JSON.stringify([model.counts, heard])
  }
}

// ---- the commands

type Step = fc.AsyncCommand<Model, World>

/** A step of one of the connections that are open, whichever those are: so that few steps find nobody there. */
abstract class OfConnection {
  readonly #pick: number
  /** What became of it, for the report of a failure. */
  told = ''

  constructor (pick: number) { this.#pick = pick }
  check (model: Readonly<Model>): boolean { return model.connections.size > 0 }

  connection (model: Readonly<Model>): number {
    return [...model.connections.keys()][this.#pick % model.connections.size]!
  }

  toString (): string { return `${this.constructor.name}(${this.told})` }
}

class Connect implements Step {
  check (model: Readonly<Model>): boolean { return model.connections.size < 3 }
  async run (model: Model, world: World): Promise<void> {
    const connection = ++model.n
    const user = connection % 3 === 0 ? null : 'ana'
    model.connections.set(connection, { user, subs: new Map() })
    world.listeners.set(connection, new Listener(await Peer.open(world.setting.port, { 'X-Name': String(connection), 'X-User': user, 'Sec-WebSocket-Protocol': world.protocol })))
    await world.agrees(model)
  }

  toString (): string { return 'Connect()' }
}

class Say extends OfConnection implements Step {
  readonly room: number
  readonly how: How
  readonly order: 'subscribe' | 'unsubscribe' | What
  constructor (pick: number, room: number, how: How, order: 'subscribe' | 'unsubscribe' | What) {
    super(pick)
    this.room = room
    this.how = how
    this.order = order
  }

  async run (model: Model, world: World): Promise<void> {
    const { room, how, order } = this
    const connection = this.connection(model)
    const sub = model.sub(connection, room, how)
    const listener = world.listeners.get(connection)!
    const address = { channel: 'ModelChannel', params: { room, how } }
    const key = nameOf(address.params)
    this.told = `${connection}, ${key}, ${order}`
    if (order === 'subscribe' || order === 'unsubscribe') {
      model.take(sub, { do: order })
      listener.say({ command: order, ...address, ...order === 'subscribe' ? { ref: key } : {} }, key)
    } else {
      const n = ++model.n
      model.take(sub, { do: 'act', what: order, n })
      listener.say({ command: 'message', ...address, action: 'act', data: { what: order, n }, id: n }, key, n)
    }
    await listener.settle()
    await world.agrees(model)
    if (sub.state === 'none') listener.left(key)
  }
}

/** Something that waits goes on. */
class GoOn implements Step {
  readonly #pick: number
  readonly #verdict: Verdict
  #told = ''

  constructor (pick: number, verdict: Verdict) {
    this.#pick = pick
    this.#verdict = verdict
  }

  check (model: Readonly<Model>): boolean { return model.waiting.length > 0 }
  async run (model: Model, world: World): Promise<void> {
    const [connection, sub] = model.waiting[this.#pick % model.waiting.length]!
    const name = sub.state === 'waits' ? `${connection} ${nameOf(sub)}` : `act ${sub.hangs}`
    this.#told = `${name}, ${this.#verdict}`
    model.goOn(sub, this.#verdict)
    const open = gates.get(name)!
    gates.delete(name)
    open(this.#verdict)
    await world.agrees(model)
    if (sub.state === 'none') world.listeners.get(connection)!.left(nameOf(sub))
  }

  toString (): string { return `GoOn(${this.#told})` }
}

class Broadcast implements Step {
  readonly room: number
  constructor (room: number) { this.room = room }
  check (): boolean { return true }
  async run (model: Model, world: World): Promise<void> {
    const n = ++model.n
    model.broadcast(this.room, n)
    await world.setting.app.cable.broadcast(`room_${this.room}`, n)
    await world.agrees(model)
  }

  toString (): string { return `Broadcast(${this.room})` }
}

/** A message that was queued before its client left still runs; what it would say then is not for this model. */
const isQuiet = (model: Readonly<Model>, connection: number) => [...model.connections.get(connection)?.subs.values() ?? []].every(({ queue }) => queue.length === 0)

class Leave extends OfConnection implements Step {
  readonly way: 'end' | 'reset' | 'destroy'
  constructor (pick: number, way: 'end' | 'reset' | 'destroy') {
    super(pick)
    this.way = way
  }

  override check (model: Readonly<Model>): boolean { return super.check(model) && isQuiet(model, this.connection(model)) }
  async run (model: Model, world: World): Promise<void> {
    const connection = this.connection(model)
    const { peer } = world.listeners.get(connection)!
    const others = world.setting.connections() - 1
    this.told = `${connection}, ${this.way}`
    world.listeners.delete(connection)
    model.leave(connection)
    if (this.way === 'end') peer.socket.end()
    else peer[this.way]()
    await until(() => world.setting.connections() === others)
    await world.agrees(model)
  }
}

class SendAway implements Step {
  check (model: Readonly<Model>): boolean { return [...model.connections.keys()].every(connection => isQuiet(model, connection)) }
  async run (model: Model, world: World): Promise<void> {
    const gone = [...model.connections].filter(([, { user }]) => user === 'ana').map(([connection]) => connection)
    const others = model.connections.size - gone.length
    await world.setting.app.cable.disconnect({ userId: 'ana' })
    for (const connection of gone) {
      model.leave(connection)
      const { peer } = world.listeners.get(connection)!
      world.listeners.delete(connection)
      const { code } = await peer.ended()
      if (code !== 4500) throw new Error(`closed with ${code}`)
    }
    await until(() => world.setting.connections() === others)
    await world.agrees(model)
  }

  toString (): string { return 'SendAway()' }
}

// Few places and mostly good subscribes, so that what happens happens to something.
const pick = fc.nat(5)
const room = fc.constantFrom(0, 0, 0, 1)
const how = fc.constantFrom<How>('confirms', 'confirms', 'confirms', 'confirms', 'waits', 'waits', 'rejects', 'throws')
const order = fc.constantFrom<'subscribe' | 'unsubscribe' | What>('subscribe', 'subscribe', 'subscribe', 'unsubscribe', ...whats)
const say = fc.tuple(pick, room, how, order).map(([pick, room, how, order]) => new Say(pick, room, how, order))
const anyStep = [
  fc.constant(new Connect()), say, say, say, say,
  fc.tuple(pick, fc.constantFrom(...verdicts)).map(([pick, verdict]) => new GoOn(pick, verdict)),
  room.map(room => new Broadcast(room)), room.map(room => new Broadcast(room)),
  fc.tuple(pick, fc.constantFrom<'end' | 'reset' | 'destroy'>('end', 'reset', 'destroy')).map(([pick, way]) => new Leave(pick, way)),
  fc.constant(new SendAway())
]

for (const protocol of [null, 'channels-v1']) {
  tap.test(`whatever clients and the app do, the server does what its model says (${protocol ?? 'plain'})`, async t => {
    const backend = new CountingBackend(64 * 1024 * 1024)
    const setting = await start({
      channels: { ModelChannel },
      cable: backend,
      session: request => request.headers['x-user'] as string ?? null,
      findUser: id => ({ id }),
      // Nothing here is decided by a clock.
      limits: { subscribeTimeout: false, endTimeout: false, commandRate: false }
    })
    const watch = watchProcess()
    t.teardown(() => { watch.stop(); return setting.app.close() })
    const first = [new Connect(), new Connect()]
    let steps = 0
    await fc.assert(fc.asyncProperty(fc.commands(anyStep, { maxCommands: 50, size: 'max' }), async commands => {
      Object.assign(counts, { begun: 0, completed: 0, ended: 0 })
      gates.clear()
      const model = new Model()
      const world = new World(setting, backend, protocol)
      try {
        for (const connect of first) await connect.run(model, world)
        await fc.asyncModelRun(() => ({ model, real: world }), commands)
        await world.end(model)
        steps += [...commands as Iterable<{ hasRan: boolean }>].filter(({ hasRan }) => hasRan).length
      } finally {
        // A run that failed must not fail the next one while it is being made shorter.
        for (const { peer } of world.listeners.values()) peer.destroy()
        while (setting.connections() > 0) await new Promise(resolve => setImmediate(resolve))
        for (const open of gates.values()) open('confirms')
      }
    }), { numRuns: runs, ...seed, endOnFailure: process.env.MODEL_SEED !== undefined })
    t.same(watch.faults, [], 'the process saw nothing')
    t.ok(steps > runs * 10, `${runs} sequences, ${steps} steps`)
  })
}
