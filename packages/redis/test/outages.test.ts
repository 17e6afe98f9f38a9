// Every way Redis goes away (research: the table of failures): what is promised then, on real servers.
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { Redis } from 'ioredis'
import { Keys } from '../src/keys.ts'
import { publish } from '../src/scripts.ts'
import { BlackHole } from './black-hole.ts'
import { kept, Peer } from './peer.ts'
import { Server, until, Watched } from './servers.ts'

const unavailable = { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' }

/** A server of the test's own, and two processes on it. */
async function pair (t: Test): Promise<{ server: Server, a: Peer, b: Peer }> {
  const server = await Server.start()
  t.teardown(() => server.stop())
  const [a, b] = [await Peer.open({ url: server.url }), await Peer.open({ url: server.url })]
  t.teardown(() => a.close())
  t.teardown(() => b.close())
  return { server, a, b }
}

test('subscribers that are killed, again and again, miss nothing', async t => {
  const { server, a, b } = await pair(t)
  await a.listen('s')
  await b.listen('s')
  let said = 0
  for (let kill = 0; kill < 10; kill++) {
    const killing = server.kill('subscriber')
    for (let index = 0; index < 10; index++) await a.publish('s', said++)
    t.equal(await killing, 2)
    for (let index = 0; index < 5; index++) await b.publish('s', said++)
    for (const peer of [a, b]) await peer.hearsOf('s', said - 1)
  }
  for (const peer of [a, b]) {
    t.same(peer.heard('s'), Array.from({ length: said }, (_, index) => index))
    t.same(peer.gaps('s'), [])
    t.same(peer.faults('s'), [])
    await peer.well()
  }
})

test('what was missed beyond the history is said as one gap, and no part of it is told', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  await a.publish('s', 'before')
  await b.hearsOf('s', 'before')
  const last = await silently(server, 's', 'lost', 4, { size: 3, ttl: 60_000 })
  await a.publish('s', 'after', { size: 3, ttl: 60_000 })
  await b.hearsOf('s', 'after')
  t.same(b.heard('s'), ['before', 'after'])
  t.same(b.gaps('s'), [last])
  t.same(b.faults('s'), [])
})

test('a publisher that is killed has every broadcast taken once or refused', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  const taken: number[] = []
  let said = 0
  for (let kill = 0; kill < 10; kill++) {
    await a.well()
    const saying = Array.from({ length: 20 }, async () => {
      const number = said++
      await a.publish('s', number).then(() => taken.push(number), error => t.match(error, unavailable))
    })
    await Promise.all([server.kill('commands'), ...saying])
  }
  // The last kill may be noticed only by who says something next.
  for (let isSaid = false; !isSaid;) {
    await b.well()
    isSaid = await b.publish('s', 'end').then(() => true, error => !t.match(error, unavailable))
  }
  await b.hearsOf('s', 'end')
  const heard = b.heard('s').filter(number => number !== 'end')
  t.equal(new Set(heard).size, heard.length, 'nothing came twice')
  t.same(taken.filter(number => !heard.includes(number)), [], 'all that was taken came')
  t.same(b.faults('s'), [])
  t.ok(taken.length > 0)
})

test('a broadcast that is under way when its line ends is refused, and says why', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  await server.tell('client', 'pause', 60_000, 'write')
  const saying = a.publish('s', 1)
  saying.catch(() => {})
  await until(async () => await isBlocked(server))
  await server.kill('commands')
  await t.rejects(saying, { ...unavailable, message: /the connection ended/ })
  await server.tell('client', 'unpause')
  await a.well()
  await a.publish('s', 2)
  await b.hearsOf('s', 2)
  t.same(b.heard('s'), [2])
})

test('while Redis is away broadcasts are refused at once and questions are answered with nothing; then every stream is told', async t => {
  const { server, a, b } = await pair(t)
  await a.listen('s')
  const at = await b.publish('s', 1)
  await a.hears('s', 1)
  await server.stop()
  await until(() => !a.health().ok && !b.health().ok)
  const began = performance.now()
  await t.rejects(a.publish('s', 2), unavailable)
  await t.rejects(a.publish('s', 2, null), unavailable)
  await t.rejects(async () => await a.backend.control('x'), unavailable)
  t.equal(await a.listen('new'), null)
  t.same(await a.backend.position(['s', 'new']), [null, null])
  t.equal(await a.backend.replay('s', at!.replace(/\d+$/, '0'), at!), null)
  t.comment(`none of them waits for a Redis that is known to be away: ${Math.round(performance.now() - began)} ms`)
  await server.start()
  await a.well()
  await b.well()
  t.equal(a.gaps('s').length, 1)
  t.equal(a.gaps('new').length, 1)
  await b.publish('new', 3)
  await b.publish('s', 4)
  await a.hears('new', 1)
  await a.hears('s', 2)
  t.same([a.faults('s'), a.faults('new')], [[], []])
  await until(() => a.logged.length > 1)
  t.same(a.logged.map(({ level, text }) => [level, text]), [
    ['warn', 'the cable has lost Redis: broadcasts do not reach everybody'],
    ['info', 'the cable has Redis again']
  ])
})

test('a Redis that stops to answer costs one second once, and nothing comes twice', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  await a.publish('s', 1)
  server.freeze()
  t.teardown(() => server.thaw())
  const began = performance.now()
  await t.rejects(a.publish('s', 2), unavailable)
  const first = performance.now() - began
  await t.rejects(a.publish('s', 3), unavailable)
  t.same(await a.backend.position(['s']), [null])
  t.equal(await b.listen('late'), null)
  t.equal(b.health().ok, false, 'where that stands is still to be told')
  const all = performance.now() - began
  t.comment(`refused after ${Math.round(first)} ms, then at once: ${Math.round(all - first)} ms more`)
  server.thaw()
  await a.well()
  await b.well()
  await b.publish('late', 'x')
  await b.hearsOf('late', 'x')
  await a.publish('s', 4)
  await b.hearsOf('s', 4)
  t.same(b.heard('s').filter(number => number === 2).length <= 1, true)
  t.notOk(b.heard('s').includes(3))
  t.same([b.faults('s'), b.faults('late')], [[], []])
  t.equal(b.gaps('late').length, 1)
})

test('a Redis that pauses delivers late, once, in order', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  await server.tell('client', 'pause', 1500)
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => a.publish('s', index)))
  await a.well()
  await a.publish('s', 'end')
  await b.hearsOf('s', 'end')
  t.same(b.heard('s').slice(0, -1), Array.from({ length: 20 }, (_, index) => index))
  t.same(b.faults('s'), [])
  t.ok(results.every(({ status }) => status === 'rejected'), 'their publishers were told that it is not known')
})

test('a connection that is silent without a word is found and replaced, and what it missed is read', async t => {
  const server = await Server.start()
  t.teardown(() => server.stop())
  const hole = await BlackHole.before(server.port)
  t.teardown(() => hole.close())
  const [a, b] = [await Peer.open({ url: server.url }), await Peer.open({ url: hole.url })]
  t.teardown(() => a.close())
  t.teardown(() => b.close())
  await b.listen('s')
  await a.publish('s', 0)
  await b.hears('s', 1)
  hole.swallow()
  const began = performance.now()
  for (let index = 1; index <= 20; index++) await a.publish('s', index)
  await until(() => !b.health().ok, 20_000)
  const found = performance.now() - began
  await b.hearsOf('s', 20)
  t.same(b.heard('s'), Array.from({ length: 21 }, (_, index) => index))
  t.same(b.gaps('s'), [])
  await b.well()
  t.ok(found < 11_000, `found after ${Math.round(found)} ms`)
})

test('a stream that is left while it is asked where it stands is left, whatever the answer is; one that stays is told a gap', async t => {
  const { server, b } = await pair(t)
  await server.tell('client', 'pause', 60_000, 'write')
  const left = b.listen('left')
  await until(async () => await isBlocked(server))
  b.backend.unlisten('left')
  t.equal(await left, null)
  await server.tell('client', 'unpause')
  await b.well()

  await server.tell('client', 'pause', 60_000, 'write')
  const [gone, staying] = [b.listen('gone'), b.listen('staying')]
  await until(async () => await isBlocked(server))
  b.backend.unlisten('gone')
  t.same([await gone, await staying], [null, null])
  await until(() => !b.health().ok)
  await server.tell('client', 'unpause')
  await b.well()
  await b.publish('staying', 1)
  await b.hears('staying', 1)
  t.equal(b.gaps('staying').length, 1)
  t.same([b.events('left'), b.events('gone'), b.faults('staying')], [[], [], []])
  await until(async () => await subscribedTo(server) === 1)
})

test('a connection that hears another Redis than the one that is spoken to is replaced', async t => {
  const [one, other] = [await Server.start(), await Server.start()]
  t.teardown(() => Promise.all([one.stop(), other.stop()]))
  const hole = await BlackHole.before(one.port)
  t.teardown(() => hole.close())
  const b = await Peer.open({ url: hole.url })
  t.teardown(() => b.close())
  await b.listen('s')
  hole.lead(other.port)
  t.equal(await one.kill('subscriber'), 1)
  await until(async () => await subscribedTo(other) === 1)
  await b.publish('s', 'unheard')
  hole.lead(one.port)
  await until(async () => await subscribedTo(one) === 1, 20_000)
  await b.publish('s', 'heard')
  await b.hearsOf('s', 'heard')
  t.same([b.heard('s'), b.gaps('s'), b.faults('s')], [['unheard', 'heard'], [], []])
  t.equal(await subscribedTo(other), 0)
})

test('a Redis that was emptied is a gap, also under those who stayed connected', async t => {
  const { server, a, b } = await pair(t)
  const since = await b.listen('s')
  const at = await a.publish('s', 1)
  await b.hears('s', 1)
  await server.tell('flushall')
  const [next] = await a.backend.position(['s'])
  await a.publish('s', 2)
  await b.hears('s', 2)
  t.equal(b.gaps('s').length, 1)
  t.same(b.faults('s'), [])
  t.not(next!.split('.')[0], at!.split('.')[0])
  t.equal(await a.backend.replay('s', since!, at!), null)
  t.equal(await a.backend.replay('s', at!, next!), null)
})

test('an offset that goes back is a gap', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  for (let index = 0; index < 5; index++) await a.publish('s', index)
  await b.hears('s', 5)
  await server.tell('hset', new Keys('channels:cable:').stream('s').meta, 'o', 2)
  await a.publish('s', 'again')
  await b.hears('s', 6)
  t.equal(b.gaps('s').length, 1)
  t.same(b.faults('s'), [])
})

test('a history that was rewritten while a subscriber was away is a gap, though its numbers fit', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  for (let index = 0; index < 5; index++) await a.publish('s', index)
  await b.hears('s', 5)
  // What a replica that was behind does when it takes over: it forgets the end, and writes another one.
  const { meta, history } = new Keys('channels:cable:').stream('s')
  await server.tell('multi')
  await server.tell('hset', meta, 'o', 3)
  await server.tell('ltrim', history, 0, 2)
  await silently(server, 's', 'other', 3, kept)
  await server.kill('subscriber')
  await until(() => b.gaps('s').length === 1)
  await a.publish('s', 'after')
  await b.hearsOf('s', 'after')
  t.same(b.heard('s'), [0, 1, 2, 3, 4, 'after'])
  t.same(b.faults('s'), [])
})

test('a hole is filled before what comes after it', async t => {
  const { server, a, b } = await pair(t)
  await b.listen('s')
  await a.publish('s', 'one')
  await silently(server, 's', 'unheard', 3, kept)
  await a.publish('s', 'loose', null)
  await a.publish('s', 'two')
  await a.publish('s', 'three', null)
  await b.hearsOf('s', 'three')
  t.same(b.heard('s').filter(data => data !== 'loose'), ['one', 'unheard', 'unheard', 'unheard', 'two', 'three'])
  t.same(b.gaps('s'), [])
  t.same(b.faults('s'), [])
})

test('ten thousand streams are heard again after a kill', async t => {
  const { server, a, b } = await pair(t)
  const streams = Array.from({ length: 10_000 }, (_, index) => `stream ${index}`)
  const began = performance.now()
  await Promise.all(streams.map(stream => b.listen(stream)))
  t.comment(`subscribed in ${Math.round(performance.now() - began)} ms`)
  await server.kill('subscriber')
  await until(() => !b.health().ok)
  const lost = performance.now()
  await a.publish('stream 0', 'meanwhile')
  await a.publish('stream 9999', 'meanwhile')
  await b.well()
  t.comment(`subscribed again in ${Math.round(performance.now() - lost)} ms`)
  await b.hears('stream 0', 1)
  await b.hears('stream 9999', 1)
  t.equal(await subscribedTo(server), 10_000)
  for (const stream of streams) b.backend.unlisten(stream)
  await until(async () => await subscribedTo(server) === 0)
})

test('a master that dies under a Sentinel: the new master is found, and nothing is missing without a word', async t => {
  const watched = await Watched.start()
  t.teardown(() => watched.stop())
  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port: watched.sentinel.port }], name: 'main', lazyConnect: true })
  const [a, b] = [await Peer.open({ client }), await Peer.open({ client })]
  t.teardown(() => a.close())
  t.teardown(() => b.close())
  await b.listen('s')
  await a.publish('s', 'before')
  await b.hearsOf('s', 'before')
  const taken: number[] = []
  const moved = new AbortController()
  const moving = until(async () => String(await watched.replica.tell('info', 'replication')).includes('role:master')).then(() => moved.abort())
  const dying = watched.master.stop()
  for (let said = 0; !moved.signal.aborted; said++) {
    await a.publish('s', said).then(() => taken.push(said), error => { if (error.code !== unavailable.code) throw error })
    await pause(5)
  }
  await Promise.all([dying, moving])
  await until(async () => (await watched.replica.tell('pubsub', 'numsub', new Keys('channels:cable:').stream('s').channel) as unknown[])[1] === 1, 30_000)
  await a.well()
  await b.well()
  await a.publish('s', 'after')
  await b.hearsOf('s', 'after')
  t.same(b.faults('s'), [])
  const heard = b.heard('s')
  t.equal(new Set(heard).size, heard.length, 'nothing came twice')
  if (b.gaps('s').length === 0) t.same(taken.filter(said => !heard.includes(said)), [], 'all that was taken came')
})

/** Appends to a stream's history without a word to those who listen. */
async function silently (server: Server, stream: string, data: unknown, count: number, { size, ttl }: { size: number, ttl: number }): Promise<unknown> {
  const { meta, history, epoch } = new Keys('channels:cable:').stream(stream)
  let at: unknown
  for (let index = 0; index < count; index++) {
    const head = JSON.stringify({ v: 1, a: '0 channels:cable:', i: `test-${Math.random()}`, x: null }).slice(0, -1) + ',"at":'
    at = await server.tell('eval', publish.source, 3, meta, history, epoch, 'never', size, ttl, 'publish', 'elsewhere', head, JSON.stringify(data))
  }
  return at
}

/** True while a paused server keeps one of our commands waiting. */
async function isBlocked (server: Server): Promise<boolean> {
  return / name=channels-commands .* flags=b /.test(String(await server.tell('client', 'list')))
}

async function subscribedTo (server: Server): Promise<number> {
  const channels = await server.tell('pubsub', 'channels', 'channels:cable:{*}s:*') as string[]
  return channels.length
}
