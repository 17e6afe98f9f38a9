// The parts that need no Redis: names that never collide, and a stream that puts in order whatever arrives.
import fc from 'fast-check'
import { test } from 'tap'
import type { Broadcast } from 'fastify-channels'
import { crc16 } from '../src/crc16.ts'
import type { Envelope } from '../src/envelope.ts'
import { format, Heard } from '../src/heard.ts'
import { Keys, PARTS, slotOf } from '../src/keys.ts'

const anyName = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.array(fc.constantFrom('{', '}', 'p', '1', ':', 's', 'x', '\n', '{p1}', 'é'), { minLength: 1 }).map(parts => parts.join(''))
)
const anyPrefix = fc.array(fc.constantFrom('a', 's', 'p1', ':', 'm:', 'h:', 's:'), { maxLength: 5 }).map(parts => `x${parts.join('')}:`)

test('the checksum is that of Redis Cluster', async t => {
  t.equal(crc16('123456789'), 0x31c3)
  t.equal(crc16(''), 0)
  t.equal(slotOf(0), crc16('p0') % 16384)
})

test('all names of a stream carry one hash tag, and the name verbatim after it', async t => {
  fc.assert(fc.property(anyPrefix, anyName, (prefix, name) => {
    const { part, channel, meta, history, epoch } = new Keys(prefix).stream(name)
    if (part !== crc16(name) % PARTS) return false
    for (const key of [channel, meta, history, epoch]) {
      // What Redis Cluster takes as the tag: between the first brace and the next closing one.
      const open = key.indexOf('{')
      if (key.slice(open + 1, key.indexOf('}', open + 1)) !== `p${part}`) return false
    }
    return [channel, meta, history].every(key => key.endsWith(`:${name}`))
  }), { numRuns: 2000 })
  t.pass()
})

test('no two names meet, whatever their prefixes are', async t => {
  fc.assert(fc.property(anyPrefix, anyName, anyPrefix, anyName, (prefix, name, otherPrefix, otherName) => {
    const of = (keys: Keys, name: string) => {
      const { channel, meta, history, epoch } = keys.stream(name)
      return [channel, meta, history, epoch, keys.control, keys.probe(3, 'id')]
    }
    const one = of(new Keys(prefix), name)
    const two = of(new Keys(otherPrefix), otherName)
    if (new Set(one).size !== one.length) return false
    const isSame = prefix === otherPrefix
    return one.every((key, index) => !two.includes(key) || (isSame && (name === otherName || index > 2)))
  }), { numRuns: 2000 })
  t.pass()
})

test('whatever is lost, late or doubled on the way, what is delivered is whole and in order, or a gap is said', async t => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('say' as const), isLost: fc.boolean() }),
    fc.record({ do: fc.constant('renew' as const) }),
    fc.record({ do: fc.constant('empty' as const) }),
    fc.record({ do: fc.constant('read' as const), works: fc.boolean() }),
    fc.record({ do: fc.constant('resubscribe' as const) })
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const world = new World()
    for (const step of steps) {
      if (step.do === 'say') world.say(step.isLost)
      else if (step.do === 'empty') world.empty()
      else if (step.do === 'renew') world.renew()
      else if (step.do === 'resubscribe') world.resubscribe()
      else world.read(step.works)
    }
    world.settle()
    world.say(false)
    world.settle()
    if (world.faults.length > 0) throw new Error(world.faults.join(', '))
    if (world.position !== world.redis) throw new Error(`in the end it stands at ${world.position}, and Redis at ${world.redis}`)
  }), { numRuns: 2000 })
  t.pass()
})

test('whatever is lost, late or doubled on the way, as long as the history has it nothing is missing and no gap is said', async t => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('say' as const), isLost: fc.boolean() }),
    fc.record({ do: fc.constant('read' as const), works: fc.boolean() }),
    fc.record({ do: fc.constant('resubscribe' as const) })
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const world = new World(1000)
    world.settle()
    for (const step of steps) {
      if (step.do === 'say') world.say(step.isLost)
      else if (step.do === 'resubscribe') world.resubscribe()
      else world.read(step.works)
    }
    world.settle()
    if (world.faults.length > 0 || world.gaps > 0) throw new Error(`${world.gaps} gaps; ${world.faults.join(', ')}`)
    if (world.position !== world.redis) throw new Error(`in the end it stands at ${world.position}, and Redis at ${world.redis}`)
  }), { numRuns: 2000 })
  t.pass()
})

test('a reading that never seems to come is not waited for: what waits goes on after a gap, and a late answer changes nothing', async t => {
  const said: string[] = []
  const heard = stream(said)
  const listening = heard.ready()
  heard.begin(null as never)
  for (let offset = 5; offset < 1005; offset++) heard.arrive(envelope('e', offset))
  t.same(said, [], 'a thousand wait')
  heard.arrive(envelope('e', 1005))
  t.equal(await listening, null)
  const all = ['gap e.4', ...Array.from({ length: 1001 }, (_, index) => `e.${index + 5}`)]
  t.same(said, all)
  heard.resume({ at: { epoch: 'e', offset: 900 }, missed: [envelope('e', 5), envelope('e', 6)] })
  heard.arrive(envelope('e', 1006))
  t.same(said, [...all, 'e.1006'])

  // The same of a hole, with another one behind it.
  for (const offset of [1010, 1020]) heard.arrive(envelope('e', offset))
  for (let offset = 1021; offset < 2020; offset++) heard.arrive(envelope('e', offset))
  t.same(said.slice(all.length + 1), ['gap e.1009', 'e.1010', 'gap e.1019', ...Array.from({ length: 1000 }, (_, index) => `e.${index + 1020}`)])
})

test('a hole in what waited is asked about, and the rest waits again', async t => {
  const said: string[] = []
  const heard = stream(said)
  heard.begin(null as never)
  for (const offset of [5, 7, 8]) heard.arrive(envelope('e', offset))
  heard.resume({ at: { epoch: 'e', offset: 4 }, missed: null })
  t.same(said, ['gap e.4', 'e.5'])
  heard.resume({ at: { epoch: 'e', offset: 7 }, missed: [envelope('e', 6), envelope('e', 7)] })
  t.same(said, ['gap e.4', 'e.5', 'e.6', 'e.7', 'e.8'])
})

test('a stream that is left while it catches up is silent from there on', async t => {
  for (const [offset, epoch] of [[3, 'e'], [1, 'other']] as const) {
    const said: string[] = []
    const heard = stream(said, () => heard.close())
    heard.begin(null as never)
    for (const waiting of [envelope('e', 2), envelope(epoch, offset)]) heard.arrive(waiting)
    heard.resume({ at: { epoch: 'e', offset: 1 }, missed: null })
    t.same(said, ['gap e.1', 'e.2'])
  }
})

function envelope (epoch: string, offset: number): Envelope {
  return { id: `${epoch} ${offset}`, broadcast: { at: `${epoch}.${offset}`, json: '1', except: null } }
}

/** A stream that writes down what it says. */
function stream (said: string[], delivered = () => {}): Heard {
  return new Heard('s', new Keys('x:').stream('s'), {
    deliver: (_stream, { at }) => {
      said.push(at!)
      delivered()
    },
    gap: (_stream, at) => { said.push(`gap ${at}`) },
    hole: () => {}
  })
}

/** A Redis and a subscription in small: broadcasts that may get lost, and readings that come when they come. */
class World {
  readonly faults: string[] = []
  gaps = 0
  readonly #size: number
  readonly #heard: Heard
  #epoch = 0
  #offset = 0
  #count = 0
  #kept: Envelope[] = []
  #asked: Array<{ turn: number, at: Heard['at'], id: string | null }> = []
  #at: string | null = null

  constructor (size = 5) {
    this.#size = size
    this.#heard = new Heard('s', new Keys('x:').stream('s'), {
      deliver: (_stream, { at }: Broadcast) => {
        if (at !== this.#next) this.faults.push(`${at} after ${this.#at}`)
        this.#at = at
      },
      gap: (_stream, at) => {
        this.gaps++
        this.#at = at
      },
      hole: () => this.#ask()
    })
    this.#heard.ready().then(() => {}, () => {})
    this.#heard.begin(null as never)
    this.#ask()
    this.#at = null
  }

  get redis (): string {
    return `e${this.#epoch}.${this.#offset}`
  }

  get position (): string | null {
    return this.#heard.at === null ? null : format(this.#heard.at)
  }

  get #next (): string | null {
    const at = this.#at ?? this.#first
    return at === null ? null : at.replace(/\d+$/, offset => String(Number(offset) + 1))
  }

  #first: string | null = null

  say (isLost: boolean): void {
    const envelope = { id: `id ${++this.#count}`, broadcast: { at: `e${this.#epoch}.${++this.#offset}`, json: '1', except: null } }
    this.#kept = [...this.#kept, envelope].slice(-this.#size)
    if (!isLost) this.#heard.arrive(envelope)
  }

  /** Redis was emptied. */
  empty (): void {
    this.#epoch++
    this.#offset = 0
    this.#kept = []
  }

  /** A replica that was behind took over. */
  renew (): void {
    this.#offset = Math.max(0, this.#offset - 2)
    this.#kept = this.#kept.filter(({ broadcast }) => Number(broadcast.at!.split('.')[1]) <= this.#offset)
    this.resubscribe()
  }

  resubscribe (): void {
    this.#heard.begin(null as never)
    this.#asked = []
    this.#ask()
  }

  /** The oldest question is answered, or fails and is asked again. */
  read (works: boolean): void {
    const question = this.#asked.shift()
    if (question === undefined) return
    if (!works) return this.#ask()
    if (question.turn !== this.#heard.turn) return
    const place = { epoch: `e${this.#epoch}`, offset: this.#offset }
    if (question.at === null) {
      this.#first = format(place)
      this.#heard.resume({ at: place, missed: null })
      return
    }
    const { epoch, offset } = question.at
    const missed = this.#kept.filter(({ broadcast }) => Number(broadcast.at!.split('.')[1]) > offset)
    const before = this.#kept.find(({ broadcast }) => broadcast.at === format(question.at!))
    const isWhole = epoch === place.epoch && offset <= place.offset && missed.length === place.offset - offset && (before === undefined || question.id === null || before.id === question.id)
    this.#heard.resume({ at: place, missed: isWhole ? missed : null })
  }

  settle (): void {
    this.resubscribe()
    for (let round = 0; round < 100 && this.#asked.length > 0; round++) this.read(true)
  }

  #ask (): void {
    const { turn, at, id } = this.#heard
    this.#asked.push({ turn, at, id })
  }
}
