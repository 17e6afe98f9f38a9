// The Redis cable on a cluster of three nodes, over sharded pub/sub: the same promises, and slots and nodes that come and go.
import process from 'node:process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { test } from 'tap'
import type { Test } from 'tap'
import { checkBackend } from 'fastify-channels/testing'
import { redisCable } from '../src/index.ts'
import { Keys, slotOf } from '../src/keys.ts'
import { ShardedSubscribers } from '../src/subscribers.ts'
import { Peer } from './peer.ts'
import { ClusterOfThree, until } from './servers.ts'
import type { Server } from './servers.ts'

const keys = new Keys('channels:cable:')
const unavailable = { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' }

test('a cluster', async t => {
  const cluster = await ClusterOfThree.start()
  t.teardown(() => cluster.stop())
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await until(() => client.status === 'ready')

  const pair = async (t: Test) => {
    const [a, b] = [await Peer.open({ client }), await Peer.open({ client })]
    t.teardown(() => a.close())
    t.teardown(() => b.close())
    return [a, b] as const
  }
  const nodeOf = (stream: string) => cluster.nodes.find(({ port }) => client.slots[slotOf(keys.stream(stream).part)]![0] === `127.0.0.1:${port}`)!

  await t.test('keeps every promise of a backend', async t => {
    for (const { name, run } of checkBackend({ open: () => ({ a: redisCable({ client }), b: redisCable({ client }) }) })) await t.resolves(run(), name)
  })

  await t.test('spreads streams over its nodes, each stream on the node that has its history', async t => {
    const [a, b] = await pair(t)
    const streams = Array.from({ length: 60 }, (_, index) => `{stream} ${index}`)
    await Promise.all(streams.map(stream => b.listen(stream)))
    const counts = []
    for (const node of cluster.nodes) {
      const channels = (await node.tell('pubsub', 'shardchannels', '*') as string[]).filter(channel => channel.includes('}s:'))
      counts.push(channels.length)
      t.same(channels.filter(channel => nodeOf(channel.slice(channel.indexOf('}s:') + 3)) !== node), [])
      t.same(await node.tell('pubsub', 'channels', 'channels:cable:*'), [], 'nothing goes to every node')
    }
    t.equal(counts.reduce((sum, count) => sum + count, 0), streams.length)
    t.ok(counts.every(count => count > 5))
    await Promise.all(streams.map(stream => a.publish(stream, stream)))
    for (const stream of streams) await b.hears(stream, 1)
    t.same(streams.filter(stream => b.heard(stream)[0] !== stream), [])
  })

  await t.test('follows a slot that moves, and misses nothing', async t => {
    const [a, b] = await pair(t)
    const from = nodeOf('moving')
    const to = cluster.nodes.find(node => node !== from)!
    await b.listen('moving')
    await b.listen('staying {x}')
    const moved = new AbortController()
    const moving = move(cluster.nodes, slotOf(keys.stream('moving').part), from, to).finally(() => moved.abort())
    for (let said = 0; !moved.signal.aborted; said++) {
      await a.publish('moving', said, { size: 100_000, ttl: 60_000 }).catch(error => t.match(error, unavailable))
      await nextTurn()
    }
    await moving
    await until(async () => (await to.tell('pubsub', 'shardchannels', keys.stream('moving').channel) as string[]).length === 1)
    await a.publish('moving', 'end', { size: 100_000, ttl: 60_000 })
    await b.hearsOf('moving', 'end')
    await a.publish('staying {x}', 'end')
    await b.hearsOf('staying {x}', 'end')
    t.same(b.faults('moving'), [])
    t.same(b.gaps('moving'), [], 'its history moved with it')
    t.equal(new Set(b.heard('moving')).size, b.heard('moving').length)
    await b.well()
  })

  await t.test('loses a node, and only the streams on it', async t => {
    const [a, b] = await pair(t)
    const dead = cluster.nodes[1]!
    const names = Array.from({ length: 50 }, (_, index) => `s ${index}`)
    const there = names.find(name => nodeOf(name) === dead)!
    const elsewhere = names.find(name => nodeOf(name) !== dead && nodeOf(name) !== nodeOf('control'))!
    await b.listen(there)
    await b.listen(elsewhere)
    await a.publish(there, 1)
    await a.publish(elsewhere, 1)
    for (const stream of [there, elsewhere]) await b.hears(stream, 1)
    await dead.stop()
    await until(() => !b.health().ok)
    await t.rejects(a.publish(there, 2), unavailable)
    t.same((await a.backend.position([there]))[0], null)
    await dead.start()
    await b.well()
    await a.well()
    await a.publish(there, 3)
    await a.publish(elsewhere, 3)
    for (const stream of [there, elsewhere]) await b.hearsOf(stream, 3)
    t.same([b.heard(there), b.heard(elsewhere)], [[1, 3], [1, 3]])
    t.same([b.faults(there), b.faults(elsewhere)], [[], []])
    t.same([b.gaps(there).length, b.gaps(elsewhere).length], [1, 0])
  })

  await t.test('has subscribers killed on every node, and misses nothing', async t => {
    const [a, b] = await pair(t)
    const streams = Array.from({ length: 20 }, (_, index) => `killed ${index}`)
    await Promise.all(streams.map(stream => b.listen(stream)))
    for (let round = 0; round < 3; round++) {
      await a.well()
      await b.well()
      const killing = Promise.all(cluster.nodes.map(node => node.kill('subscriber')))
      for (const stream of streams) await a.publish(stream, round)
      t.same(await killing, [2, 2, 2])
      for (const stream of streams) await b.hears(stream, round + 1)
    }
    t.same(streams.flatMap(stream => b.faults(stream)), [])
    t.same(streams.flatMap(stream => b.gaps(stream)), [])
  })

  await t.test('goes on elsewhere with what one node may not take any more', async t => {
    const [a, b] = await pair(t)
    await b.listen('asked')
    await a.publish('asked', 1)
    const from = nodeOf('asked')
    const to = cluster.nodes.find(node => node !== from)!
    await move(cluster.nodes, slotOf(keys.stream('asked').part), from, to, async () => {
      // The history is there already, the listeners are still here.
      const [kept, loose] = await Promise.all([a.publish('asked', 2), a.publish('asked', 'loose', null)])
      t.match(kept, /\.2$/)
      t.equal(loose, null)
    })
    await b.hearsOf('asked', 2)
    await a.publish('asked', 3)
    await b.hearsOf('asked', 3)
    t.same(b.heard('asked').filter(data => data !== 'loose'), [1, 2, 3])
    t.same([b.faults('asked'), b.gaps('asked')], [[], []])
  })

  await t.test('holds no process open by a timer', async t => {
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    await until(() => timers() === 0)
    const peer = await Peer.open({ client })
    t.teardown(() => peer.close())
    await peer.publish('s', 1)
    await until(() => timers() === 0, 3000)
    t.pass('only its connections do, until they are closed')
  })

  await t.test('is not listened to by who has left it meanwhile', async t => {
    const nothing = () => { t.fail('nobody is there to hear this') }
    const subscribers = new ShardedSubscribers(client, { message: nothing, up: nothing, down: nothing, moved: nothing })
    const refreshing = subscribers.refresh()
    await subscribers.close()
    await refreshing
    t.same([...subscribers], [])
  })

  await t.test('has a part that no node serves: refused, and heard as soon as one does', async t => {
    const owner = nodeOf('unserved')
    const slot = slotOf(keys.stream('unserved').part)
    for (const node of cluster.nodes) await node.tell('config', 'set', 'cluster-require-full-coverage', 'no')
    for (const node of [owner, ...cluster.nodes.filter(node => node !== owner)]) await node.tell('cluster', 'delslots', slot)
    const peer = await Peer.open({ client })
    t.teardown(() => peer.close())
    t.equal(await peer.listen('unserved'), null)
    await t.rejects(peer.publish('unserved', 1), unavailable)
    await owner.tell('cluster', 'addslots', slot)
    await peer.well()
    await peer.publish('unserved', 2)
    await peer.hears('unserved', 1)
    t.equal(peer.gaps('unserved').length, 1)
    t.same(peer.faults('unserved'), [])
  })

  await t.test('has a node that hangs: what is given to others is heard there, and nobody waits for it, not even to leave', async t => {
    const [a, b] = await pair(t)
    const [to, third, hung] = cluster.nodes as [Server, Server, Server]
    const named = (node: Server) => Array.from({ length: 500 }, (_, index) => `h ${index}`).find(name => nodeOf(name) === node)!
    const [there, elsewhere] = [named(hung), named(third)]
    for (const stream of [there, elsewhere]) {
      await b.listen(stream)
      await a.publish(stream, 1)
      await b.hears(stream, 1)
    }
    const [slot, id] = [slotOf(keys.stream(there).part), String(await to.tell('cluster', 'myid'))]
    await to.tell('cluster', 'setslot', slot, 'importing', String(await hung.tell('cluster', 'myid')))
    t.teardown(() => hung.thaw())
    hung.freeze()
    await t.rejects(a.publish(there, 2), unavailable)
    for (const node of [to, third]) await node.tell('cluster', 'setslot', slot, 'node', id)
    await move([to, third], slotOf(keys.stream(elsewhere).part), third, to)
    await until(async () => (await to.tell('pubsub', 'shardchannels', keys.stream(there).channel) as string[]).length === 1)
    await until(async () => await a.publish(there, 3).then(() => true, () => false))
    await b.hearsOf(there, 3)
    t.same(b.heard(there), [1, 3])
    t.equal(b.gaps(there).length, 1, 'its history hangs too')
    t.same([...b.faults(there), ...b.faults(elsewhere), ...b.gaps(elsewhere)], [])
    await until(() => a.health().subscribersDown === 1 && b.health().subscribersDown === 1, 20_000)
    await a.close()
    hung.thaw()
    await b.well()
    await b.publish(elsewhere, 'end')
    await b.hearsOf(elsewhere, 'end')
  })

  await t.test('has a replica that takes over from its master, and misses nothing', async t => {
    const [a, b] = await pair(t)
    const master = cluster.nodes[0]!
    const replica = await cluster.replicate(master)
    t.teardown(() => replica.stop())
    const stream = Array.from({ length: 500 }, (_, index) => `r ${index}`).find(name => nodeOf(name) === master)!
    await b.listen(stream)
    await a.publish(stream, 1)
    await replica.tell('cluster', 'failover')
    await until(async () => (await replica.tell('pubsub', 'shardchannels', keys.stream(stream).channel) as string[]).length === 1)
    await until(async () => await a.publish(stream, 2).then(() => true, () => false))
    await b.hearsOf(stream, 2)
    t.same([b.heard(stream), b.gaps(stream), b.faults(stream)], [[1, 2], [], []])
    await b.well()
    t.equal(b.health().subscribers, 3, 'who owns nothing is not listened to')
  })
})

/** Gives a slot with all its keys to another node. In between the keys are there, and the slot is not. */
async function move (nodes: readonly Server[], slot: number, from: Server, to: Server, between = async () => {}): Promise<void> {
  const id = async (node: Server) => String(await node.tell('cluster', 'myid'))
  await to.tell('cluster', 'setslot', slot, 'importing', await id(from))
  await from.tell('cluster', 'setslot', slot, 'migrating', await id(to))
  for (;;) {
    const found = await from.tell('cluster', 'getkeysinslot', slot, 100) as string[]
    if (found.length === 0) break
    await from.tell('migrate', '127.0.0.1', to.port, '', 0, 5000, 'keys', ...found)
  }
  await between()
  for (const node of [to, from, ...nodes.filter(node => node !== to && node !== from)]) await node.tell('cluster', 'setslot', slot, 'node', await id(to))
}
