// What a backend promises about broadcasts on their way: whole, in one order, once.
import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { distance, isPosition, parsePosition } from '@fastify-channels/protocol'
import { assertRun, fence, kept, listenBoth, newName } from './backend-check.ts'
import type { Check } from './backend-check.ts'

export const orderChecks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['a broadcast reaches every process that listens, the publisher too, letter for letter', async (a, b) => {
    const stream = newName()
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
    const stream = newName()
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
    const stream = newName()
    await listenBoth(a, b, stream)
    const positions = [await a.publish(stream, '1', kept), await b.publish(stream, '2', kept), await a.publish(stream, '3', kept)]
    for (const process of [a, b]) {
      await process.hears(stream, 3)
      assert.deepEqual(process.heard(stream).map(({ at }) => at), positions)
    }
  }],

  ['all processes hear one order, without a hole, and nothing twice', async (a, b) => {
    const streams = [newName(), newName()]
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
    const stream = newName()
    const talkers = new AbortController()
    const talk = async () => {
      for (let index = 0; !talkers.signal.aborted; index++) {
        await b.publish(stream, String(index), kept)
        await nextTurn()
      }
    }
    const talking = [talk(), talk()]
    try {
      for (let round = 0; round < 20; round++) {
        const before = a.heard(stream).length
        const since = await a.listen(stream)
        assert.ok(isPosition(since), 'listen says where it begins')
        await a.hears(stream, before + 5)
        const upTo = parsePosition(await b.publish(stream, '"last"', kept))!
        await a.until(() => parsePosition(a.heard(stream).at(-1)!.at)!.offset >= upTo.offset, 'the last broadcast')
        assertRun(a.heard(stream).slice(before).map(({ at }) => at), since)
        await a.unlisten(stream)
      }
    } finally {
      talkers.abort()
      await Promise.all(talking)
    }
  }],

  ['what is not kept has no position, and is heard in its turn', async (a, b) => {
    const stream = newName()
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
  }]
])
