// The promises of the port behind a cable, each as a check that runs on real backends. Belongs to no test runner.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { distance, isPosition, parsePosition } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { CableBackend, Eventually, Retention } from '../backend.ts'
import { Process } from './backend-process.ts'

/** What is checked. */
export interface BackendSetup {
  /**
   * Makes backends that were not opened yet and share everything, as two processes of an app do. They are opened and closed here.
   * Without `b`, `a` is a backend for a single process.
   */
  readonly open: () => Eventually<{ readonly a: CableBackend, readonly b?: CableBackend }>
}

/** One promise, and what shows whether it is kept: `run` rejects where it is not. */
export interface BackendCheck {
  readonly name: string
  readonly run: () => Promise<void>
}

type Check = (a: Process, b: Process) => Promise<void>

const kept: Retention = { size: 128, ttl: 60_000 }

/**
 * Checks a backend: every promise `CableBackend` makes.
 *
 * @example
 * for (const { name, run } of checkBackend({ open: () => ({ a: myBackend(), b: myBackend() }) })) test(name, run)
 */
export function checkBackend ({ open }: BackendSetup): BackendCheck[] {
  return [...checks].map(([name, check]) => ({
    name,
    run: async () => {
      const backends = await open()
      const a = await Process.open(backends.a)
      const b = backends.b === undefined ? a : await Process.open(backends.b)
      try {
        await check(a, b)
        assert.deepEqual([...a.gaps, ...b.gaps], [], 'a gap was said and nothing was lost')
      } finally {
        await a.close()
        await b.close()
      }
    }
  }))
}

const checks = new Map<string, Check>([
  ['a broadcast reaches every process that listens, the publisher too, letter for letter', async (a, b) => {
    const stream = name()
    await listenBoth(a, b, stream)
    const payloads = ['{}', '0', 'null', '""', '{"b":1,"a":[1.0,1e2]}', '{"a":1,"a":2}', '"\\u00e9 é 🙂 \\ud83d\\ude42 \u2028 \\n"', `"${'x'.repeat(100_000)}"`]
    for (const json of payloads) await b.publish(stream, json, kept)
    for (const process of [a, b]) {
      await process.hears(stream, payloads.length)
      assert.deepEqual(process.heard(stream).map(({ json }) => json), payloads)
      assert.deepEqual(process.heard(stream).map(({ except }) => except), payloads.map(() => null))
    }
  }],

  ['the tab that is left out travels with the broadcast, and is kept with it', async (a, b) => {
    const stream = name()
    const since = await listenBoth(a, b, stream)
    const upTo = await a.publish(stream, '1', kept, 'tab-1 "é"')
    await a.publish(stream, '2', null, 'tab-2')
    for (const process of [a, b]) {
      await process.hears(stream, 2)
      assert.deepEqual(process.heard(stream).map(({ except }) => except), ['tab-1 "é"', 'tab-2'])
      assert.deepEqual((await process.replay(stream, since, upTo!))?.map(({ except }) => except), ['tab-1 "é"'])
    }
  }],

  ['publish settles with the position at which the broadcast is heard', async (a, b) => {
    const stream = name()
    await listenBoth(a, b, stream)
    const positions = [await a.publish(stream, '1', kept), await b.publish(stream, '2', kept), await a.publish(stream, '3', kept)]
    for (const process of [a, b]) {
      await process.hears(stream, 3)
      assert.deepEqual(process.heard(stream).map(({ at }) => at), positions)
    }
  }],

  ['all processes hear one order, without a hole, and nothing twice', async (a, b) => {
    const streams = [name(), name()]
    const since = await Promise.all(streams.map(stream => listenBoth(a, b, stream)))
    const count = 100
    await Promise.all(Array.from({ length: count }, async (_, index) => {
      await Promise.all([a, b].flatMap((process, author) => streams.map(stream => process.publish(stream, JSON.stringify({ author, index }), kept))))
    }))
    for (const [index, stream] of streams.entries()) {
      await a.hears(stream, 2 * count)
      await b.hears(stream, 2 * count)
      await fence(a, b)
      assert.deepEqual(a.heard(stream), b.heard(stream))
      assertRun(a.heard(stream).map(({ at }) => at), since[index]!)
      for (const author of [0, 1]) {
        const said = a.heard(stream).map(({ json }) => JSON.parse(json)).filter(said => said.author === author).map(said => said.index)
        assert.deepEqual(said, Array.from({ length: count }, (_, index) => index), 'what one process says keeps its order')
      }
    }
  }],

  ['after listen nothing passes unheard and nothing comes twice, however much is said meanwhile', async (a, b) => {
    const stream = name()
    let isDone = false
    const talk = async () => { for (let index = 0; !isDone; index++) await b.publish(stream, String(index), kept) }
    const talking = [talk(), talk()]
    for (let round = 0; round < 20; round++) {
      const before = a.heard(stream).length
      const since = await a.listen(stream)
      assert.ok(isPosition(since), 'listen says where it begins')
      await a.hears(stream, before + 5)
      const upTo = parsePosition(await b.publish(stream, '"last"', kept))!
      await a.until(() => (parsePosition(a.heard(stream).at(-1)?.at)?.offset ?? 0) >= upTo.offset, 'the last broadcast')
      assertRun(a.heard(stream).slice(before).map(({ at }) => at), since)
      await a.unlisten(stream)
    }
    isDone = true
    await Promise.all(talking)
  }],

  ['a stream that never spoke stands somewhere, and its first broadcast comes next', async (a, b) => {
    const stream = name()
    const [before] = await b.position([stream])
    const since = await a.listen(stream)
    assert.ok(isPosition(since))
    assert.equal(before, since)
    const at = await b.publish(stream, '1', kept)
    assert.equal(distance(since, at!), 1)
    await a.hears(stream, 1)
    assert.deepEqual(await a.replay(stream, since, at!), a.heard(stream))
  }],

  ['position tells every stream, in the order asked', async (a, b) => {
    const [one, two, silent] = [name(), name(), name()]
    const first = await a.publish(one, '1', kept)
    await a.publish(two, '1', kept)
    const second = await b.publish(two, '2', kept)
    for (const process of [a, b]) {
      assert.deepEqual((await process.position([two, silent, one])).toSpliced(1, 1), [second, first])
      assert.ok(isPosition((await process.position([silent]))[0]))
      assert.deepEqual(await process.position([]), [])
    }
  }],

  ['replay gives all that came between two positions, in order, with nobody listening', async (a, b) => {
    const stream = name()
    const [since] = await a.position([stream])
    const said = []
    for (let index = 0; index < 10; index++) said.push({ at: await a.publish(stream, `{"é":${index}}`, kept), json: `{"é":${index}}`, except: null })
    for (const process of [a, b]) {
      assert.deepEqual(await process.replay(stream, since!, said[9]!.at!), said)
      assert.deepEqual(await process.replay(stream, said[2]!.at!, said[6]!.at!), said.slice(3, 7))
      assert.deepEqual(await process.replay(stream, said[9]!.at!, said[9]!.at!), [])
    }
  }],

  ['replay gives as many as are kept, and not one of them when one more is asked', async (a, b) => {
    const stream = name()
    const positions = [(await a.position([stream]))[0]!]
    for (let index = 0; index < 128; index++) positions.push((await a.publish(stream, String(index), kept))!)
    assert.equal((await b.replay(stream, positions[0]!, positions[128]!))?.length, 128)
    positions.push((await a.publish(stream, '128', kept))!)
    assert.equal(await b.replay(stream, positions[0]!, positions[129]!), null)
    assert.equal(await b.replay(stream, positions[0]!, positions[5]!), null)
    assert.deepEqual((await b.replay(stream, positions[1]!, positions[129]!))?.map(({ json }) => json), Array.from({ length: 128 }, (_, index) => String(index + 1)))
  }],

  ['what is kept expires, and the numbering goes on', async (a, b) => {
    const stream = name()
    const [since] = await a.position([stream])
    const at = await a.publish(stream, '1', { size: 128, ttl: 40 })
    await b.until(async () => await b.replay(stream, since!, at!) === null, 'the end of what is kept')
    assert.deepEqual(await b.replay(stream, at!, at!), [])
    assert.deepEqual(await b.position([stream]), [at])
    assert.equal(distance(at!, (await b.publish(stream, '2', kept))!), 1)
  }],

  ['replay refuses what it cannot know', async (a) => {
    const stream = name()
    const at = (await a.publish(stream, '1', kept))!
    const { epoch, offset } = parsePosition(at)!
    const next = `${epoch}.${offset + 1}`
    for (const [since, upTo] of [['other.0', at], ['other.0', 'other.1'], [at, next], [next, at], ['', at], [at, ''], ['nonsense', 'nonsense'], [`${epoch}.-1`, at], [`${epoch}.0.0`, at]] as const) {
      assert.equal(await a.replay(stream, since, upTo), null, `${since} to ${upTo}`)
    }
  }],

  ['what is not kept has no position, and is heard in its turn', async (a, b) => {
    const stream = name()
    const since = await listenBoth(a, b, stream)
    await a.publish(stream, '1', kept)
    assert.equal(await a.publish(stream, '2', null), null)
    const upTo = await a.publish(stream, '3', kept)
    assert.equal(distance(since, upTo!), 2)
    for (const process of [a, b]) {
      await process.hears(stream, 3)
      assert.deepEqual(process.heard(stream).map(({ json, at }) => [json, at === null]), [['1', false], ['2', true], ['3', false]])
      assert.deepEqual((await process.replay(stream, since, upTo!))?.map(({ json }) => json), ['1', '3'])
    }
  }],

  ['a control message reaches every process as it was said, in order', async (a, b) => {
    const messages = ['{"kind":"disconnect","é":"\\n🙂"}', 'no JSON at all', '', '{"last":true}']
    for (const message of messages) await a.control(message)
    for (const process of [a, b]) {
      await process.until(() => process.controls.length >= messages.length, 'control messages')
      assert.deepEqual(process.controls, messages)
    }
  }],

  ['nobody hears what it does not listen to', async (a, b) => {
    const [heard, unheard] = [name(), name()]
    await a.listen(heard)
    await b.publish(unheard, '1', kept)
    await b.publish(unheard, '2', null)
    await b.publish(heard, '3', kept)
    await a.hears(heard, 1)
    assert.deepEqual(a.heard(unheard), [])
  }],

  ['after unlisten there is silence, and listening again begins after it', async (a, b) => {
    const stream = name()
    await listenBoth(a, b, stream)
    await b.publish(stream, '1', kept)
    await a.hears(stream, 1)
    await a.unlisten(stream)
    const at = await a.publish(stream, '2', kept)
    await a.publish(stream, '3', null)
    await fence(a, b)
    assert.deepEqual(a.heard(stream).map(({ json }) => json), ['1'])
    assert.equal(await a.listen(stream), at)
    await b.publish(stream, '4', kept)
    await a.hears(stream, 2)
    assert.deepEqual(a.heard(stream).map(({ json }) => json), ['1', '4'])
  }],

  ['listening again in the same breath misses nothing', async (a, b) => {
    const stream = name()
    await a.listen(stream)
    const left = a.unlisten(stream)
    const since = await a.listen(stream)
    await left
    const at = await b.publish(stream, '1', kept)
    assert.equal(distance(since!, at!), 1)
    await a.hears(stream, 1)
    assert.deepEqual(a.heard(stream).map(broadcast => broadcast.at), [at])
  }],

  ['a stream may have any name, and each is another one', async (a, b) => {
    const base = name()
    const odd = ['', '{', '}', '{}', '{x}', '}{', '{p1}', '\n', '\r\nPUBLISH x y\r\n', '\0', ' ', '*', '?', '[a]', ':', '::', '__proto__', 'constructor', 'é', 'e\u0301', '🙂', '%s', 'A', 'a', 'x'.repeat(400)]
    const streams = [...odd.map(end => base + end), ...odd.slice(1).map(begin => begin + base)]
    const unique = [...new Set(streams)]
    await Promise.all(unique.map(stream => a.listen(stream)))
    const positions = new Map(await Promise.all(unique.map(async stream => [stream, await b.publish(stream, JSON.stringify(stream), kept)] as const)))
    for (const stream of unique) await a.hears(stream, 1)
    await fence(a, b)
    for (const stream of unique) assert.deepEqual(a.heard(stream), [{ at: positions.get(stream), json: JSON.stringify(stream), except: null }])
    assert.equal(a.streams.size, unique.length + 1)
  }],

  ['health is ok while it is open', async (a, b) => {
    assert.equal(a.health().ok, true)
    assert.equal(b.health().ok, true)
    await a.close()
    assert.equal(a.health().ok, false)
  }],

  ['close is quiet, also twice, and nothing is taken or heard after it', async (a, b) => {
    const stream = name()
    await listenBoth(a, b, stream)
    await a.close()
    await a.close()
    const unavailable = { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' }
    await assert.rejects(async () => await a.publish(stream, '1', kept), unavailable)
    await assert.rejects(async () => await a.publish(stream, '1', null), unavailable)
    if (a !== b) {
      await b.publish(stream, '2', kept)
      await b.hears(stream, 1)
    }
    assert.deepEqual(a.heard(stream), [])
    await a.unlisten(stream)
  }]
])

/** A name no other check uses. */
function name (): string {
  return `check ${randomUUID()}`
}

/** Both listen; where the stream stands. */
async function listenBoth (a: Process, b: Process, stream: string): Promise<Position> {
  const since = await a.listen(stream)
  if (b !== a) assert.equal(await b.listen(stream), since)
  return since!
}

/** Returns when all that was said before has had its time: something said later was heard by everybody. */
async function fence (a: Process, b: Process): Promise<void> {
  const stream = name()
  await listenBoth(a, b, stream)
  for (const author of new Set([a, b])) await author.publish(stream, '"fence"', null)
  for (const process of new Set([a, b])) await process.hears(stream, new Set([a, b]).size)
}

/** Throws unless these are the positions right after `since`, one by one. */
function assertRun (positions: ReadonlyArray<Position | null>, since: Position): void {
  const { epoch, offset } = parsePosition(since)!
  assert.deepEqual(positions, positions.map((_, index) => `${epoch}.${offset + index + 1}`))
}
