import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { canonical, commandLimits, distance, identify, isPosition, isSound, isWellFormed, parsePosition, readCommand, readFrame, readSince, writeSince } from '../src/index.ts'
import type { Json, Params } from '../src/index.ts'

const text = fc.string({ unit: 'binary', maxLength: 12 })
const key = text.filter(name => name !== '__proto__')
/** Few words, so that two values are often nearly the same. */
const word = fc.constantFrom('', 'a', 'b', '0', '1', 'null', 'true', '[]', '{}', '"', ',', 'a"', 'constructor')
const exact = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }).filter(number => !Number.isInteger(number) || Number.isSafeInteger(number)))
const scalar = fc.oneof(fc.constant(null), fc.boolean(), exact, text)

/** JSON of at most `depth` containers. */
function json (depth: number, leaf: fc.Arbitrary<Json>, keys: fc.Arbitrary<string>): fc.Arbitrary<Json> {
  if (depth === 0) return leaf
  const inside = json(depth - 1, leaf, keys)
  return fc.oneof(leaf, fc.array(inside, { maxLength: 4 }), object(inside, keys))
}

function object (inside: fc.Arbitrary<Json>, keys: fc.Arbitrary<string>): fc.Arbitrary<Params> {
  return fc.dictionary(keys, inside, { maxKeys: 4, noNullPrototype: true })
}

const params = object(json(3, scalar, key), key)
const small = object(json(2, fc.oneof(fc.constantFrom(null, true, false, 0, 1, 0.5), word), word), word)
const position = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}\.\d{1,15}$/)

/** The same value, the keys of every object in another order. */
function shuffled (value: Json, random: () => number): Json {
  if (Array.isArray(value)) return value.map(item => shuffled(item, random))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, item]) => ({ name, item: shuffled(item, random), at: random() }))
  return Object.fromEntries(entries.sort((a, b) => a.at - b.at).map(({ name, item }) => [name, item]))
}

/** A slow count of what isSound counts. */
function measure (value: unknown): { depth: number, nodes: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, nodes: 0 }
  const inside = Object.values(value).map(measure)
  return {
    depth: 1 + Math.max(0, ...inside.map(({ depth }) => depth)),
    nodes: inside.length + inside.reduce((sum, { nodes }) => sum + nodes, 0)
  }
}

function holds (t: Test, property: fc.IProperty<any>): void {
  const { failed, counterexample, errorInstance } = fc.check(property, { numRuns: 300 }) as fc.RunDetails<any>
  t.notOk(failed, failed ? `fails for ${fc.stringify(counterexample)}: ${errorInstance}` : 'holds')
}

t.test('the order of keys never matters, at any depth', async t => {
  holds(t, fc.property(text, params, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (channel, value, numbers) => {
    const other = shuffled(value, () => numbers.next().value) as Params
    return identify(channel, value) === identify(channel, other) && JSON.stringify(canonical(value)) === JSON.stringify(canonical(other))
  }))
})

t.test('two subscriptions have one identity only when they are the same', async t => {
  holds(t, fc.property(word, small, word, small, (channel, value, otherChannel, other) => {
    const same = channel === otherChannel && isDeepStrictEqual(value, other)
    return (identify(channel, value) === identify(otherChannel, other)) === same
  }))
})

t.test('two accepted subscriptions have one identity only when they are the same', async t => {
  // From one to the next by a small step: no two random values are ever alike.
  holds(t, fc.property(text, params, fc.array(fc.nat(9), { maxLength: 3 }), scalar, (channel, value, path, leaf) => {
    const other = structuredClone(value)
    let at: any = other
    for (const step of path) {
      const inside = Object.values(at).filter(item => typeof item === 'object' && item !== null)
      at = inside[step % inside.length] ?? at
    }
    at[Array.isArray(at) ? at.length : 'x'] = leaf
    const plus = (item: Json): Json => JSON.parse(JSON.stringify(item))
    return (identify(channel, value) === identify(channel, other)) === isDeepStrictEqual(plus(value), plus(other))
  }))
})

t.test('no text of a stranger makes a reader throw', async t => {
  const command = fc.constantFrom('subscribe', 'message', 'unsubscribe', 'pong', '__proto__', 1, null)
  const anything = fc.anything({ key: fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'prototype', 'toJSON', 'then')), maxDepth: 6 }).map(value => {
    try { return JSON.parse(JSON.stringify(value) ?? 'null') } catch { return null }
  })
  const frame = fc.record({ command, channel: fc.oneof(text, anything), params: fc.oneof(params, anything), action: anything, data: anything, id: anything, ref: anything, tab: anything, positions: anything }, { requiredKeys: [] })
  const texts = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), anything.map(value => JSON.stringify(value)), frame.map(value => JSON.stringify(value)))
  holds(t, fc.property(texts, said => {
    const read = readCommand(said)
    readFrame(said)
    readSince(said)
    return ['subscribe', 'message', 'unsubscribe', 'pong', 'refused'].includes(read.command)
  }))
  t.equal(({} as any).x, undefined)
  t.strictSame(Object.keys(Object.prototype), [])
})

t.test('what is accepted is what was said', async t => {
  holds(t, fc.property(text, params, json(4, scalar, key), (channel, value, data) => {
    fc.pre(measure(value).nodes <= commandLimits.paramsNodes && isSound(value, { depth: 4, nodes: 64, exact: true }) && isSound(data, { depth: 32, nodes: 10_000, exact: false }))
    const read = readCommand(JSON.stringify({ command: 'message', channel, params: value, action: 'speak', data, id: 1 }))
    const said = JSON.parse(JSON.stringify({ channel, params: value, data: data ?? {} }))
    return read.command === 'message' && isDeepStrictEqual({ channel: read.channel, params: read.params, data: read.data }, said)
  }))
})

t.test('a value is sound up to its bounds and not one step further', async t => {
  const value = json(6, fc.oneof(fc.integer(), text), key.filter(name => name !== 'constructor'))
  holds(t, fc.property(value, given => {
    const { depth, nodes } = measure(given)
    return isSound(given, { depth, nodes, exact: false }) &&
      (depth === 0 || !isSound(given, { depth: depth - 1, nodes, exact: false })) &&
      (nodes === 0 || !isSound(given, { depth, nodes: nodes - 1, exact: false }))
  }))
})

t.test('a poisoned key is found wherever it hides', async t => {
  const poison = fc.constantFrom('{"__proto__":1}', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{}}}')
  const way = fc.array(fc.constantFrom('[%]', '[0,%]', '{"a":%}'), { maxLength: 5 })
  holds(t, fc.property(poison, way, fc.boolean(), (bad, steps, isExact) =>
    !isSound(JSON.parse(steps.reduce<string>((inside, step) => step.replace('%', inside), bad)), { depth: 9, nodes: 99, exact: isExact })))
})

t.test('exact means that every string is well-formed and every number survives', async t => {
  const bounds = { depth: 3, nodes: 9, exact: true }
  holds(t, fc.property(fc.string({ unit: fc.constantFrom('a', '\ud83d', '\udcac', '\u00e9') }), string => {
    const survives = Buffer.from(string).toString() === string
    return isWellFormed(string) === survives && isSound([string], bounds) === survives && isSound({ [string]: 1 }, bounds) === survives && isSound([string], { ...bounds, exact: false })
  }))
  holds(t, fc.property(fc.double(), number => isSound({ number }, bounds) === (Number.isSafeInteger(number) || (Number.isFinite(number) && !Number.isInteger(number)))))
})

t.test('what since says is read as it was written', async t => {
  holds(t, fc.property(fc.dictionary(text, position, { noNullPrototype: true }), positions => isDeepStrictEqual(readSince(writeSince(positions)), positions)))
})

t.test('a position and its parts are the same', async t => {
  holds(t, fc.property(position, at => isPosition(at) && `${parsePosition(at)!.epoch}.${at.split('.')[1]}` === at && parsePosition(at)!.offset === Number(at.split('.')[1])))
})

t.test('there and back again is no distance, and another epoch is none either', async t => {
  const offset = fc.nat(999_999)
  holds(t, fc.property(offset, offset, (here, there) => distance(`e.${here}`, `e.${there}`) === there - here && Number.isNaN(distance(`e.${here}`, `f.${there}`))))
})

t.test('large data runs, and too many values are refused, at once', async t => {
  const said = (data: string) => readCommand(`{"command":"message","channel":"ChatChannel","action":"speak","data":${data},"id":1}`)
  t.match(said(JSON.stringify('x'.repeat(60_000))), { command: 'message', data: 'x'.repeat(60_000) })
  t.match(said(`"${'\\u0000'.repeat(10_000)}"`), { command: 'message', data: '\0'.repeat(10_000) })
  t.match(said(`[${Array(10_000).fill(0)}]`), { command: 'message' })
  t.strictSame(said(`[${Array(10_001).fill(0)}]`), { command: 'refused', reason: 'invalid_message', id: 1 })
  t.strictSame(said(`[${'[0],'.repeat(5000)}0]`), { command: 'refused', reason: 'invalid_message', id: 1 })
  t.strictSame(readCommand('['.repeat(10_000)), { command: 'refused', reason: 'invalid_json', id: null })
})

t.test('a server may be more generous, or less', async t => {
  const deep = '{"command":"subscribe","channel":"ChatChannel","params":{"a":{"b":{"c":{"d":{}}}}},"positions":{"a":"e.1","b":"e.1"}}'
  const none = { paramsDepth: Infinity, paramsNodes: Infinity, dataDepth: Infinity, dataNodes: Infinity, maxChannelName: Infinity, maxIdentifier: Infinity, maxPositions: Infinity }
  t.equal(readCommand(deep).command, 'refused')
  t.equal(readCommand(deep, none).command, 'subscribe')
  for (const limit of ['paramsNodes', 'dataNodes', 'dataDepth', 'maxChannelName', 'maxIdentifier', 'maxPositions']) {
    t.strictSame(readCommand(deep, { ...none, [limit]: limit === 'dataDepth' ? 0 : 1 }), { command: 'refused', reason: 'invalid_message', id: null }, limit)
  }
  const deepest = `{"command":"subscribe","params":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`
  t.strictSame(readCommand(deepest, none), { command: 'refused', reason: 'invalid_message', id: null }, 'deeper than the call stack')
})
