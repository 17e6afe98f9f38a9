// The client against a model of all that may happen to a stream on its way: every listener ends with exactly what was broadcast, or was told of a gap.
import fc from 'fast-check'
import t from 'tap'
import type { Subscription } from '../src/index.ts'
import { Puppet, puppetry } from './puppet.ts'

const channels = ['A', 'B']
const WINDOW = 6

interface Entry {
  readonly n: number
  readonly at: string
}

/** What one listener was told, held against the log as it goes. */
class Ear {
  readonly subscription: Subscription
  readonly channel: string
  /** The number of the last broadcast it has, or stood at; null when it has no place yet. */
  last: number | null
  #mayJump = false
  isConnected = false

  constructor (world: World, channel: string, since: Entry | null) {
    this.channel = channel
    this.last = since?.n ?? null
    this.subscription = world.cable.subscribe(channel, {}, {
      connected: ({ gap, recovered }: { gap: boolean, recovered: boolean | null }) => {
        if (gap !== (recovered === false)) world.complain(`gap ${gap} with recovered ${recovered}`)
        // Where nothing is missing between what it has and where it stands, nothing was lost.
        if (gap && world.isHonest && this.last === this.#place(world)) world.complain(`${this.channel} was told of a loss it did not have, at ${this.last}`)
        this.isConnected = true
        this.#mayJump ||= gap
        this.last ??= this.#place(world)
      },
      disconnected: () => { this.isConnected = false },
      received: (n: number) => {
        if (this.last !== null && n <= this.last && !this.#mayJump) world.complain(`${channel} heard ${n} after ${this.last}`)
        if (this.last !== null && n > this.last + 1 && !this.#mayJump) world.complain(`${channel} missed what lies between ${this.last} and ${n}`)
        this.last = n
        this.#mayJump = false
      }
    }, { since: since && { s: since.at } })
  }

  #place (world: World): number | null {
    const at = this.subscription.positions.s
    return world.log.find(entry => entry.at === at)?.n ?? null
  }

  /** Nothing is under way any more: it has everything, or knows that it has not. */
  finish (world: World): void {
    if (!this.isConnected) world.complain(`${this.channel} was never connected`)
    if (this.#mayJump) return
    if (this.last !== world.head.n) world.complain(`${this.channel} ended at ${this.last}, not ${world.head.n}`)
  }
}

/** A server whose every step is chosen by chance, and the cable that hangs on it. */
class World {
  readonly cable
  readonly #tick
  readonly log: Entry[] = [{ n: 0, at: 'e0.0' }]
  readonly ears: Ear[] = []
  readonly complaints: string[] = []
  /** False once the server claimed what it did not do, or lost its memory. */
  isHonest = true
  #epoch = 0
  #offset = 0
  /** The oldest entry after which everything can be replayed. */
  #oldest = 0
  /** This connection: what is confirmed, what waits for an answer, and how far it was sent. */
  #confirmed = new Set<string>()
  #sent: Entry = this.head

  constructor (t: Parameters<typeof puppetry>[0]) {
    const { cable, tick } = puppetry(t, { random: () => 0 })
    this.cable = cable
    this.#tick = tick
  }

  get head (): Entry {
    return this.log.at(-1)!
  }

  complain (about: string): void {
    this.complaints.push(about)
  }

  join (channel: string, back: number | null): void {
    // A page may be newer than the connection, but is never newer than the stream.
    const since = back === null ? null : this.log[Math.max(0, this.log.length - 1 - back)]!
    this.ears.push(new Ear(this, channel, since))
  }

  leave (which: number): void {
    if (this.ears.length === 0) return
    const [ear] = this.ears.splice(which % this.ears.length, 1)
    ear!.subscription.unsubscribe()
    this.#tick(0)
  }

  publish (): void {
    this.log.push({ n: this.head.n + 1, at: `e${this.#epoch}.${++this.#offset}` })
    this.#oldest = Math.max(this.#oldest, this.head.n - WINDOW)
  }

  /** Sends what was published and not sent, but for the first `lost` and with the last `twice` repeated. */
  send (lost: number, twice: number): void {
    const due = this.#due()
    if (this.#confirmed.size === 0 || due.length === 0) return
    const frames = due.slice(Math.min(lost, due.length - 1))
    for (const entry of [...frames, ...frames.slice(frames.length - Math.min(twice, frames.length))]) this.#say(entry)
    this.#sent = this.head
  }

  /** Answers what the client asked for. */
  answer (isLate: boolean, isLying: boolean): void {
    this.open()
    for (const { command, channel, params, ref, positions } of Puppet.last.sent.splice(0)) {
      if (command === 'unsubscribe') this.#confirmed.delete(channel)
      if (command !== 'subscribe') continue
      if (this.#confirmed.size === 0) this.#sent = this.head
      const from = this.log.find(({ at }) => at === positions?.s)
      let at = this.#sent
      let recovered: boolean | null = null
      if (positions?.s !== undefined) {
        recovered = from !== undefined && from.n >= this.#oldest
        if (isLying) {
          recovered = true
          this.isHonest = false
        } else if (recovered && isLate && from!.n < at.n) {
          // A long backlog: confirmed where the client stands, sent on as ordinary broadcasts.
          at = this.#sent = from!
        } else if (recovered) {
          for (const entry of this.log.slice(from!.n + 1, at.n + 1)) this.#say(entry, ref)
        }
      }
      this.#confirmed.add(channel)
      Puppet.last.say({ type: 'confirm_subscription', channel, params, ref, streams: { s: at.at }, recovered })
    }
  }

  /** Gives up on what was not sent, and says so. */
  skip (): void {
    if (this.#confirmed.size === 0 || this.#due().length === 0) return
    this.#sent = this.head
    Puppet.last.say({ type: 'gap', stream: 's', at: this.#sent.at })
  }

  /** Forgets everything, and begins a new epoch. */
  forget (isSaid: boolean): void {
    this.isHonest = false
    this.#epoch++
    this.#offset = 0
    this.publish()
    this.#oldest = this.head.n
    if (this.#confirmed.size === 0) return
    if (isSaid) this.skip()
    else this.send(Infinity, 0)
  }

  open (): void {
    if (Puppet.made.length === 0 || Puppet.last.isOpen) return
    this.#sent = this.head
    Puppet.last.open()
  }

  drop (): void {
    if (Puppet.made.length === 0) return
    this.#confirmed.clear()
    Puppet.last.lose()
    this.#tick(1_000_000)
    this.open()
  }

  /** Lets everything that is under way arrive. */
  settle (): void {
    this.#tick(0)
    for (let rounds = 0; rounds < 20; rounds++) {
      this.answer(false, false)
      this.send(0, 0)
    }
    for (const ear of this.ears) ear.finish(this)
  }

  #due (): Entry[] {
    return this.log.slice(this.#sent.n + 1)
  }

  #say ({ n, at }: Entry, ref?: unknown): void {
    Puppet.last.say({ type: 'broadcast', stream: 's', at, ref, data: n })
  }
}

const channel = fc.constantFrom(...channels)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant(['publish']) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('send'), fc.constantFrom(0, 0, 0, 1, 2), fc.constantFrom(0, 0, 1, 3)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('answer'), fc.boolean(), fc.constant(false)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('join'), channel, fc.option(fc.nat(9))) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('leave'), fc.nat(9)) },
  { weight: 2, arbitrary: fc.constant(['drop']) },
  { weight: 1, arbitrary: fc.constant(['skip']) },
  { weight: 1, arbitrary: fc.constant(['turn']) }
)
const mischief = fc.oneof(
  { weight: 8, arbitrary: step },
  { weight: 1, arbitrary: fc.tuple(fc.constant('forget'), fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('answer'), fc.boolean(), fc.constant(true)) }
)

for (const [name, steps] of [['an honest server', step], ['a server that lies and forgets', mischief]] as const) {
  t.test(`whatever happens on the way, each listener of ${name} has everything or knows that it has not`, async t => {
    await fc.assert(fc.asyncProperty(fc.array(steps as fc.Arbitrary<any[]>, { maxLength: 60 }), async script => {
      let teardown: Array<() => unknown> = []
      const world = new World({ teardown: (then: () => unknown) => teardown.push(then) } as any)
      world.join('A', null)
      world.open()
      for (const [what, ...rest] of script) {
        if (what === 'turn') await null
        else (world as any)[what](...rest)
      }
      await null
      world.settle()
      for (const then of teardown.reverse()) then()
      teardown = []
      if (world.complaints.length > 0) throw new Error(world.complaints.join('\n'))
    }), { numRuns: Number(process.env.MODEL_RUNS ?? 3000) })
    t.pass()
  })
}
