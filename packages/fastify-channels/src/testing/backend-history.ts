// What a backend promises about what was said before: where streams stand, and all of it or nothing.
import assert from 'node:assert/strict'
import { distance, isPosition, parsePosition } from '@fastify-channels/protocol'
import { kept, newName } from './backend-check.ts'
import type { Check } from './backend-check.ts'

export const historyChecks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['a stream that never spoke stands somewhere, and its first broadcast comes next', async (a, b) => {
    const stream = newName()
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
    const [one, two, silent] = [newName(), newName(), newName()]
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
    const stream = newName()
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
    const stream = newName()
    const positions = [(await a.position([stream]))[0]!]
    for (let index = 0; index < 128; index++) positions.push((await a.publish(stream, String(index), kept))!)
    assert.equal((await b.replay(stream, positions[0]!, positions[128]!))?.length, 128)
    positions.push((await a.publish(stream, '128', kept))!)
    assert.equal(await b.replay(stream, positions[0]!, positions[129]!), null)
    assert.equal(await b.replay(stream, positions[0]!, positions[5]!), null)
    assert.deepEqual((await b.replay(stream, positions[1]!, positions[129]!))?.map(({ json }) => json), Array.from({ length: 128 }, (_, index) => String(index + 1)))
  }],

  ['what is kept expires, and the numbering goes on', async (a, b) => {
    const stream = newName()
    const [since] = await a.position([stream])
    const at = await a.publish(stream, '1', { size: 128, ttl: 40 })
    await b.until(async () => await b.replay(stream, since!, at!) === null, 'the end of what is kept')
    assert.deepEqual(await b.replay(stream, at!, at!), [])
    assert.deepEqual(await b.position([stream]), [at])
    assert.equal(distance(at!, (await b.publish(stream, '2', kept))!), 1)
  }],

  ['replay refuses what it cannot know', async (a) => {
    const stream = newName()
    const at = (await a.publish(stream, '1', kept))!
    const { epoch, offset } = parsePosition(at)!
    const next = `${epoch}.${offset + 1}`
    for (const [since, upTo] of [['other.0', at], ['other.0', 'other.1'], [at, next], [next, at]] as const) {
      assert.equal(await a.replay(stream, since, upTo), null, `${since} to ${upTo}`)
    }
  }]
])
