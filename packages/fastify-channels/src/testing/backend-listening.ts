// What a backend promises about who hears what, and about its end.
import assert from 'node:assert/strict'
import { distance } from '@fastify-channels/protocol'
import { fence, kept, listenBoth, newName } from './backend-check.ts'
import type { Check } from './backend-check.ts'

export const listeningChecks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['a control message reaches every process as it was said, in order', async (a, b) => {
    const messages = ['{"kind":"disconnect","é":"\\n🙂"}', 'no JSON at all', '', '{"last":true}']
    for (const message of messages) await a.control(message)
    for (const process of [a, b]) {
      await process.until(() => process.controls.length >= messages.length, 'control messages')
      assert.deepEqual(process.controls, messages)
    }
  }],

  ['nobody hears what it does not listen to', async (a, b) => {
    const [heard, unheard] = [newName(), newName()]
    await a.listen(heard)
    await b.publish(unheard, '1', kept)
    await b.publish(unheard, '2', null)
    await b.publish(heard, '3', kept)
    await a.hears(heard, 1)
    assert.deepEqual(a.heard(unheard), [])
  }],

  ['after unlisten there is silence, and listening again begins after it', async (a, b) => {
    const stream = newName()
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
    const stream = newName()
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
    const base = newName()
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
    const stream = newName()
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
