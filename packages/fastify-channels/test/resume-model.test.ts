// The whole against a plain model: the server's core and the client, with two clients on slow and breaking lines; every subscription ends with exactly what was broadcast, or was told of a gap.
// A longer run: MODEL_RUNS=100000 npx tap --timeout=3600 packages/fastify-channels/test/resume-model.test.ts (MODEL_SEED repeats one).
import { mock } from 'node:test'
import { Cable as ClientCable } from '@fastify-channels/client'
import type { Subscription } from '@fastify-channels/client'
import { Channel } from 'fastify-channels'
import t from 'tap'
import type { BackendHost, Broadcast, CableBackend, Publication } from '../src/backend.ts'
import { Cable } from '../src/cable.ts'
import { History } from '../src/history.ts'
import { resolveLimits } from '../src/limits.ts'
import { Listening } from '../src/listening.ts'
import { Registry } from '../src/registry.ts'
import { Streams } from '../src/streams.ts'
import { Pair } from './resume-pair.ts'

const runs = Number(process.env.MODEL_RUNS ?? 2500)
const firstSeed = Number(process.env.MODEL_SEED ?? Math.trunc(Math.random() * 2 ** 31))

const SIZE = 5
const TTL = 1000
const limits = resolveLimits({ sendQueueSoft: 400, sendQueueHard: 20_000, commandRate: false, violations: false, subscribeTimeout: false, identifyTimeout: false, endTimeout: false, stallTimeout: false })
/** Streams and whether `subscribed()` waits; two names of one subscription's kind make two subscriptions of the same streams. */
const kinds = [{ s: 'a', k: 1 }, { s: 'a', k: 2, waits: true }, { s: 'ab', k: 1 }, { s: 'b', k: 1, waits: true }, { s: 'b', k: 2 }] as const

/** Numbers from 0 to 1 (mulberry32). */
function randomness (seed: number): () => number {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

// ---- the model: what was said

interface Entry {
  /** Its number in its stream, among those of its sort. */
  readonly n: number
  readonly except: string | null
  readonly epoch: number
  readonly expiresAt: number
  /** It did not reach the listeners, and a gap was said. */
  isLost: boolean
}

/** A place in a stream: how many kept ones had been said, and in which epoch it is. */
interface Place {
  readonly n: number
  readonly epoch: number
}

class Log {
  readonly kept: Entry[] = []
  unkept = 0
  /** Position → how many kept ones had been said. */
  readonly places = new Map<string, Place>()

  /** True while the n-th can be sent again. */
  isThere (n: number, epoch: number, now: number): boolean {
    const entry = this.kept[n - 1]!
    return entry.epoch === epoch && n > this.kept.length - SIZE && entry.expiresAt > now && !entry.isLost
  }
}

// ---- the server

class ModelBackend implements CableBackend {
  readonly #world: World
  readonly #listened = new Set<string>()
  readonly pending: Array<() => void> = []
  history: History
  host!: BackendHost
  isLossy = false

  constructor (world: World) {
    this.#world = world
    this.history = new History(Infinity, () => world.now)
  }

  open (host: BackendHost): void { this.host = host }

  publish (stream: string, json: string, { history, except }: Publication): string | null {
    const broadcast: Broadcast = history === null ? { at: null, json, except } : this.history.append(stream, json, except, history)
    this.#world.published(stream, broadcast.at)
    if (this.#listened.has(stream) && !this.isLossy) this.host.deliver(stream, broadcast)
    return broadcast.at
  }

  listen (stream: string) {
    this.#listened.add(stream)
    const at = this.history.listen(stream)
    return this.#later(() => at)
  }

  unlisten (stream: string): void {
    this.#listened.delete(stream)
    this.history.unlisten(stream)
  }

  position (streams: readonly string[]) { return this.#later(() => streams.map(stream => this.history.position(stream))) }
  replay (stream: string, since: string, upTo: string) { return this.#later(() => this.history.replay(stream, since, upTo)) }
  control (): void {}
  health () { return { ok: true } }
  close (): void {}

  /** Everything that was kept is gone, and everybody who listens is told so. */
  reset (): void {
    this.history = new History(Infinity, () => this.#world.now)
    for (const stream of this.#listened) this.history.listen(stream)
  }

  tellGap (stream: string): void {
    if (this.#listened.has(stream)) this.host.gap(stream, this.history.position(stream))
  }

  #later<T> (work: () => T): T | Promise<T> {
    if (!this.#world.isLate) return work()
    return new Promise(resolve => { this.pending.push(() => resolve(work())) })
  }
}

class RoomChannel extends Channel<{ s: string, waits?: boolean }> {
  static override actions = {}

  get #client (): Client { return (this.request as unknown as { client: Client }).client }
  get #key (): string { return JSON.stringify(this.params) }

  override async subscribed () {
    for (const stream of this.params.s) this.streamFrom(stream)
    this.#client.began(this.#key)
    if (this.params.waits) await new Promise<void>(resolve => { this.#client.world.gates.push(resolve) })
  }
}

const quiet = { error () {}, warn () {}, info () {}, debug () {}, child () { return quiet } }
const registry = new Registry(false)
registry.add({ log: quiet } as never, RoomChannel)
registry.compile()

// ---- a listener

class Ear {
  readonly client: Client
  readonly key: string
  readonly streams: readonly string[]
  readonly subscription: Subscription
  /** No other had its subscription, from its own subscribe until it was connected. */
  isFirst: boolean
  /** Per stream, the last kept one it heard or was told to stand at. */
  readonly last = new Map<string, Place>()
  /** Unkept ones that must come, unless its line breaks. */
  readonly owed = new Set<string>()
  readonly #unkept = new Map<string, number>()
  isConnected = false

  constructor (client: Client, kind: typeof kinds[number], page: Page | null) {
    this.client = client
    this.key = JSON.stringify(kind)
    this.streams = [...kind.s]
    this.isFirst = !client.keys.has(this.key)
    for (const other of client.ears) if (other.key === this.key && !other.isConnected) other.overtaken()
    client.keys.add(this.key)
    const { world } = client
    if (page?.since) for (const [stream, place] of page.places) if (this.streams.includes(stream)) this.last.set(stream, place)
    this.subscription = client.cable.subscribe('RoomChannel', kind, {
      connected: about => this.#connected(about),
      disconnected: () => { this.isConnected = false },
      received: data => this.#received(data as { stream: string, n: number, kept: boolean }),
      rejected: ({ reason }) => world.complain(`${this.key} was rejected: ${reason}`)
    }, { since: page?.since })
  }

  /** Somebody else asks again for its subscription before it was connected: it begins with that answer. */
  overtaken (): void {
    this.isFirst = false
    this.owed.clear()
  }

  #connected ({ gap, recovered }: { gap: boolean, recovered: boolean | null }): void {
    const { world } = this.client
    const lows = this.client.lows(this.key)
    if (gap !== (recovered === false)) world.complain(`gap ${gap} with recovered ${recovered}`)
    if (gap && !this.streams.some(stream => this.#isMissing(stream, lows.get(stream)))) world.complain(`${this.key} was told of a gap, and nothing was lost: ${[...lows]}`)
    for (const stream of this.streams) {
      const at = this.subscription.positions[stream]
      const place = world.log(stream).places.get(String(at))
      if (place === undefined) {
        world.complain(`${this.key} stands at ${at} in ${stream}`)
        continue
      }
      const last = this.last.get(stream)
      const begun = this.client.begun.get(this.key)?.get(stream)
      if (last !== undefined && !gap) this.#skip(stream, last.n, place.n, 'without a word')
      // Who comes for the first time misses nothing since its streamFrom().
      if (last === undefined && this.isFirst && !this.isConnected && begun !== undefined && place.n !== begun.n && !world.log(stream).kept.slice(begun.n, place.n).some(({ isLost, epoch }) => isLost || epoch !== world.epoch)) world.complain(`${this.key} begins at ${place.n} in ${stream}, and its streamFrom() was at ${begun.n}`)
      this.last.set(stream, place)
    }
    this.isConnected = true
  }

  #received ({ stream, n, kept }: { stream: string, n: number, kept: boolean }): void {
    const { world } = this.client
    if (!this.streams.includes(stream)) world.complain(`${this.key} heard ${stream}`)
    if (kept) {
      const last = this.last.get(stream)
      if (last === undefined) return world.complain(`${this.key} heard ${n} of ${stream} before it was connected`)
      const { except, epoch } = world.log(stream).kept[n - 1]!
      if (n <= last.n) return world.complain(`${this.key} heard ${n} of ${stream} after ${last.n}`)
      if (except === this.client.tab) world.complain(`${this.key} heard ${n} of ${stream}, which its own page made`)
      this.#skip(stream, last.n, n - 1, `before ${n}`)
      this.last.set(stream, { n, epoch })
    } else {
      const last = this.#unkept.get(stream) ?? 0
      if (n <= last) world.complain(`${this.key} heard the unkept ${n} of ${stream} after ${last}`)
      this.#unkept.set(stream, n)
      this.owed.delete(`${stream} ${n}`)
    }
  }

  /** All between were left out for this page. */
  #skip (stream: string, last: number, to: number, when: string): void {
    if (to < last) this.client.world.complain(`${this.key} went back in ${stream}, from ${last} to ${to}, ${when}`)
    const missed = this.client.world.log(stream).kept.slice(last, to).filter(({ except }) => except !== this.client.tab).map(({ n }) => n)
    if (missed.length > 0) this.client.world.complain(`${this.key} missed ${missed} of ${stream} ${when}`)
  }

  /** Something after `low` cannot be sent again, or was never sent; of what was said since an older epoch nobody knows. */
  #isMissing (stream: string, low: number | undefined): boolean {
    const { world } = this.client
    const log = world.log(stream)
    if (low === undefined) return false
    return low < 0 || log.kept.slice(low).some(({ n }) => !log.isThere(n, world.epoch, world.now))
  }

  /** Nothing is on its way any more. */
  finish (): void {
    const { world } = this.client
    if (!this.isConnected) world.complain(`${this.key} was never connected`)
    for (const stream of this.streams) this.#skip(stream, this.last.get(stream)?.n ?? 0, world.log(stream).kept.length, 'at the end')
    if (this.owed.size > 0) world.complain(`${this.key} never heard the unkept ${[...this.owed]}`)
  }
}

/** What a page was rendered with. */
interface Page {
  readonly since: string | null
  readonly places: ReadonlyMap<string, Place>
}

class Client {
  readonly world: World
  readonly cable: ClientCable
  readonly ears = new Set<Ear>()
  readonly keys = new Set<string>()
  /** Where streams stood when the last `subscribed()` of each subscription ran, on this connection. */
  readonly begun = new Map<string, ReadonlyMap<string, Place>>()
  pair: Pair | null = null
  /** Its line did not follow once: then what is behind in a stream is the connection, for all its subscriptions. */
  wasSlow = false
  #frame = 0
  #before: { frame: number, places: ReadonlyArray<readonly [key: string, places: ReadonlyMap<string, Place>]> } = { frame: -1, places: [] }
  /** Where those stood who left since their subscription was last told where it stands. */
  #left: Array<readonly [key: string, places: ReadonlyMap<string, Place>]> = []

  constructor (world: World) {
    this.world = world
    const client = this
    class WebSocket extends Pair {
      constructor () {
        super(world.premises, { log: quiet, client })
        client.pair = this
        client.wasSlow = false
        this.telling = () => { client.#frame++ }
        this.ended = () => {
          client.begun.clear()
          for (const ear of client.ears) ear.owed.clear()
        }
      }
    }
    this.cable = new ClientCable({ url: 'ws://x/cable', WebSocket: WebSocket as never, random: () => 0 })
  }

  get tab (): string { return this.cable.tab }
  get isUp (): boolean { return this.pair?.connection !== null && this.pair?.isOver === false }
  get isSlow (): boolean { return this.pair?.connection?.outlet.isSlow ?? false }

  began (key: string): void {
    this.begun.set(key, this.world.places)
  }

  subscribe (kind: typeof kinds[number], page: Page | null): void {
    this.ears.add(new Ear(this, kind, page))
  }

  unsubscribe (which: number): void {
    const ear = [...this.ears][which % this.ears.size]
    if (ear === undefined) return
    this.ears.delete(ear)
    this.#left.push([ear.key, new Map(ear.last)])
    ear.subscription.unsubscribe()
  }

  /** Where the one furthest back of a subscription stood before the frame that is being heard; -1 in an older epoch. */
  lows (key: string): ReadonlyMap<string, number> {
    if (this.#before.frame !== this.#frame) {
      this.#before = { frame: this.#frame, places: [...[...this.ears].map(ear => [ear.key, new Map(ear.last)] as const), ...this.#left, ...this.begun] }
    }
    this.#left = this.#left.filter(([other]) => other !== key)
    const lows = new Map<string, number>()
    for (const [other, places] of this.#before.places) {
      if (other !== key && !this.wasSlow) continue
      for (const [stream, { n, epoch }] of places) lows.set(stream, Math.min(epoch === this.world.epoch ? n : -1, lows.get(stream) ?? Infinity))
    }
    return lows
  }
}

// ---- everything together

type Step = readonly [what: number, one: number, two: number]

class World {
  now = 0
  epoch = 0
  isLate = false
  readonly complaints: string[] = []
  readonly gates: Array<() => void> = []
  readonly backend = new ModelBackend(this)
  readonly premises
  readonly cable: Cable
  readonly clients: readonly Client[]
  readonly #logs = new Map(['a', 'b'].map(stream => [stream, new Log()]))
  readonly #pages: Page[] = []
  #saying: { kept: boolean, except: string | null } = { kept: true, except: null }

  constructor () {
    const streams = new Streams()
    const retentionOf = () => ({ size: SIZE, ttl: TTL })
    this.backend.open({ app: {} as never, log: quiet as never, deliver: (stream, broadcast) => streams.deliver(stream, broadcast), control: () => {}, gap: (stream, at) => streams.gap(stream, at) })
    this.cable = new Cable(this.backend, quiet as never, retentionOf, () => ({ connections: 0, subscriptions: 0, streams: 0 }))
    this.premises = { cable: this.cable, limits, registry, listening: new Listening(this.backend, streams, retentionOf, quiet as never), findUser: async () => null, slowPolicyOf: () => 'latest' as const }
    this.#note()
    this.clients = [new Client(this), new Client(this)]
  }

  log (stream: string): Log { return this.#logs.get(stream)! }
  get places (): ReadonlyMap<string, Place> { return new Map([...this.#logs].map(([stream, { kept }]) => [stream, { n: kept.length, epoch: this.epoch }])) }
  complain (about: string): void { this.complaints.push(about) }

  /** A broadcast was taken. */
  published (stream: string, at: string | null): void {
    if (at === null) return
    const log = this.log(stream)
    log.kept.push({ n: log.kept.length + 1, except: this.#saying.except, epoch: this.epoch, expiresAt: this.now + TTL, isLost: this.backend.isLossy })
    log.places.set(at, { n: log.kept.length, epoch: this.epoch })
  }

  say (stream: string, kept: boolean, except: string | null, size: number): void {
    const log = this.log(stream)
    const n = (kept ? log.kept.length : log.unkept) + 1
    if (!kept) {
      log.unkept++
      for (const client of this.clients) {
        if (!client.isUp || client.isSlow || client.tab === except) continue
        for (const ear of client.ears) if (ear.streams.includes(stream) && client.begun.has(ear.key) && (ear.isFirst || ear.isConnected)) ear.owed.add(`${stream} ${n}`)
      }
    }
    this.#saying = { kept, except }
    this.cable.broadcast(stream, { stream, n, kept, pad: 'x'.repeat(size) }, { history: kept, except })
  }

  /** `at` random: the same step does the same in every run. */
  async step ([what, one, two]: Step): Promise<void> {
    const client = this.clients[Math.floor(one * 2) % 2]!
    const stream = two < 0.6 ? 'a' : 'b'
    const size = Math.floor(one * 97) % 4 === 0 ? 150 : 10
    const except = Math.floor(two * 89) % 5 === 0 ? client.tab : null
    switch (what) {
      case 0: return this.say(stream, true, except, size)
      case 1: return this.say(stream, false, except, size)
      case 2: {
        for (let n = 0; n < 2 + Math.floor(one * 13) % 8; n++) this.say((two * 31 + n) % 3 < 2 ? 'a' : 'b', n % 4 !== 3, null, size)
        return
      }
      case 3: return client.subscribe(kinds[Math.floor(two * kinds.length)]!, Math.floor(one * 37) % 2 === 0 ? this.#pages.at(-1) ?? null : null)
      case 4: {
        if (client.ears.size > 0) client.unsubscribe(Math.floor(two * 100))
        // The client says so in a turn of its own.
        mock.timers.tick(1)
        return
      }
      case 5: return client.pair?.drop()
      case 6: return client.pair?.read(two < 0.5 ? 1 + two * 300 : Infinity)
      case 7: return client.pair?.hear(two < 0.4 ? 1 : Infinity)
      case 8: {
        client.pair?.open()
        return
      }
      case 9: return mock.timers.tick(two < 0.5 ? 300 : 2000)
      case 10: return this.gates.splice(Math.floor(two * this.gates.length), 1)[0]?.()
      case 11: return this.backend.pending.splice(Math.floor(two * this.backend.pending.length), 1)[0]?.()
      case 12: {
        this.now += two < 0.7 ? TTL / 3 : TTL
        if (one < 0.5) this.backend.history.sweep()
        return
      }
      case 13: {
        this.isLate = two < 0.5
        return
      }
      case 14: {
        const lates = this.isLate
        this.isLate = false
        const { since } = await this.cable.snapshot(['a', 'b'], () => {})
        this.#pages.push({ since, places: this.places })
        this.isLate = lates
        return
      }
      case 15: {
        // Said while nobody was there to bring it over.
        this.backend.isLossy = true
        for (let n = 0; n < 1 + Math.floor(one * 13) % 3; n++) this.say(stream, true, null, 10)
        this.backend.isLossy = false
        return this.backend.tellGap(stream)
      }
      case 16: {
        this.epoch++
        this.backend.reset()
        this.#note()
        for (const stream of ['a', 'b']) this.backend.tellGap(stream)
        return
      }
      case 17: {
        client.cable.disconnect()
        return client.cable.connect()
      }
      default: return await turn()
    }
  }

  /** Who is confirmed on a line that does not follow is told the latest only of what history does not keep. */
  excuse (): void {
    for (const client of this.clients) {
      if (!client.isSlow) continue
      client.wasSlow = true
      for (const ear of client.ears) if (!ear.isConnected) ear.owed.clear()
    }
  }

  /** Everything arrives, until nothing moves any more. */
  async settle (): Promise<void> {
    this.isLate = false
    for (let still = 0, passes = 0; still < 3; passes++) {
      if (passes > 2000) return this.complain('it never comes to rest')
      this.excuse()
      for (const gate of this.gates.splice(0)) gate()
      for (const answer of this.backend.pending.splice(0)) answer()
      for (const { ears, cable } of this.clients) if (ears.size > 0) cable.connect()
      mock.timers.tick(1)
      for (const client of this.clients) {
        if (client.pair?.isOver) mock.timers.tick(6000)
        client.pair?.open()
        client.pair?.hear(Infinity)
        client.pair?.read(Infinity)
      }
      await turn()
      const isStill = this.gates.length === 0 && this.backend.pending.length === 0 && this.clients.every(({ pair, ears }) => pair === null || (pair.isQuiet && !(pair.isOver && ears.size > 0)))
      still = isStill ? still + 1 : 0
    }
  }

  async finish (): Promise<void> {
    await this.settle()
    for (const stream of ['a', 'b']) for (const kept of [true, false]) this.say(stream, kept, null, 10)
    await this.settle()
    for (const { ears } of this.clients) for (const ear of ears) ear.finish()
    for (const { cable } of this.clients) cable.disconnect()
    await turn()
  }

  #note (): void {
    for (const [stream, log] of this.#logs) log.places.set(this.backend.history.position(stream), { n: log.kept.length, epoch: this.epoch })
  }
}

/** How often each step is taken. */
const weights = [8, 4, 2, 5, 2, 1.5, 7, 6, 4, 3, 4, 5, 1.5, 1.5, 1.5, 0.7, 0.3, 0.4, 14]
const total = weights.reduce((sum, weight) => sum + weight)

function stepsOf (seed: number): Step[] {
  const random = randomness(seed)
  return Array.from({ length: 20 + Math.floor(random() * 40) }, () => {
    let left = random() * total
    const what = weights.findIndex(weight => (left -= weight) < 0)
    return [what, random(), random()]
  })
}

async function run (steps: readonly Step[]): Promise<string[]> {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_700_000_000_000 })
  const world = new World()
  try {
    for (const step of steps) {
      await world.step(step)
      world.excuse()
    }
    await world.finish()
  } finally {
    mock.timers.reset()
  }
  return world.complaints
}

/** The same failure in fewer steps. */
async function shrink (steps: readonly Step[]): Promise<readonly Step[]> {
  for (let size = 16; size >= 1; size = size >> 1) {
    for (let from = 0; from < steps.length;) {
      const fewer = steps.toSpliced(from, size)
      if ((await run(fewer)).length > 0) steps = fewer
      else from += size
    }
  }
  return steps
}

t.setTimeout(24 * 3_600_000)
t.test(`${runs} interleavings`, { timeout: 24 * 3_600_000 }, async t => {
  const begin = performance.now()
  for (let index = 0; index < runs; index++) {
    const seed = (firstSeed + index) | 0
    const steps = stepsOf(seed)
    const complaints = await run(steps)
    if (complaints.length === 0) continue
    const fewer = await shrink(steps)
    return t.fail(`MODEL_SEED=${seed} MODEL_RUNS=1`, { complaints: complaints.slice(0, 5), fewer: fewer.map(step => JSON.stringify(step)), of: (await run(fewer)).slice(0, 5) })
  }
  t.pass(`from MODEL_SEED=${firstSeed} on, ${Math.round(performance.now() - begin)} ms`)
})
