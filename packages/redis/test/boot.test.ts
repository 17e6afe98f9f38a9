// How the Redis cable starts and ends: options, missing servers, clients of the app's own, and a whole app on it.
import cookie from '@fastify/cookie'
import fastifyRedis from '@fastify/redis'
import fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import { Redis } from 'ioredis'
import { test } from 'tap'
import type { Test } from 'tap'
import { redisCable } from '../src/index.ts'
import type { RedisCableOptions } from '../src/index.ts'
import { Peer } from './peer.ts'
import { freePort, Server, until } from './servers.ts'

async function start (t: Test, ...flags: string[]): Promise<Server> {
  const server = await Server.start(...flags)
  t.teardown(() => server.stop())
  return server
}

/** Connections of ours on a server. */
async function connections (server: Server): Promise<string[]> {
  return [...String(await server.tell('client', 'list')).matchAll(/ name=channels-(\S+)/g)].map(match => match[1]!).sort()
}

class RoomChannel extends Channel<{ room: string }> {
  static override actions = { speak: true as const }

  subscribed () {
    this.streamFrom(`room ${this.params.room}`)
  }

  async speak (data: { text: string }) {
    await this.broadcast(`room ${this.params.room}`, { text: data.text })
  }
}

test('a wrong option is an error that says what to write', async t => {
  const wrong: Array<[options: object, message: RegExp]> = [
    [{ ulr: 'redis://localhost' }, /no option "ulr"; there are url, client, prefix, startDegraded/],
    [{ url: 'http://localhost' }, /redis:\/\/localhost:6379\/0/],
    [{ url: 'localhost:6379' }, /url is where Redis is/],
    [{ url: '' }, /url is where Redis is/],
    [{ url: 6379 }, /url is where Redis is/],
    [{ client: undefined }, /app\.redis of @fastify\/redis; register that first/],
    [{ client: {} }, /app\.redis/],
    [{ url: 'redis://localhost', client: new Redis({ lazyConnect: true }) }, /not both/],
    [{ prefix: 'myapp' }, /ends with a colon/],
    [{ prefix: '' }, /ends with a colon/],
    [{ prefix: 'my{app}:' }, /neither braces nor spaces/],
    [{ prefix: 'my app:' }, /neither braces nor spaces/],
    [{ startDegraded: 'yes' }, /true or false/]
  ]
  for (const [options, message] of wrong) {
    t.throws(() => redisCable(options as RedisCableOptions), { code: 'FST_CHANNELS_INVALID_OPTION', message })
  }
  t.doesNotThrow(() => redisCable())
})

test('a missing Redis is a clear error at boot, and no connection stays behind', async t => {
  const port = await freePort()
  const app = fastify()
  app.register(channels, { cable: redisCable({ url: `redis://user:secret@127.0.0.1:${port}/0` }) })
  await t.rejects(async () => await app.ready(), { code: 'FST_CHANNELS_REDIS_UNREACHABLE', message: new RegExp(`^(?!.*secret).*127\\.0\\.0\\.1:${port} .*ECONNREFUSED.*startDegraded: true`) })
  await app.close()
})

test('a Redis that refuses the password is a clear error at boot', async t => {
  const server = await start(t, '--requirepass', 'right')
  await t.rejects(Peer.open({ url: `redis://:wrong@127.0.0.1:${server.port}/0` }), { code: 'FST_CHANNELS_REDIS_UNREACHABLE', message: /WRONGPASS/ })
  const peer = await Peer.open({ url: `redis://:right@127.0.0.1:${server.port}/0` })
  t.ok(peer.health().ok)
  await peer.close()
})

test('a user that may touch nothing but the prefix is enough', async t => {
  const server = await start(t)
  await server.tell('acl', 'setuser', 'cable', 'on', '>password', 'resetkeys', '~myapp:cable:*', 'resetchannels', '&myapp:cable:*', '-@all', '+@read', '+@write', '+@scripting', '+@pubsub', '+@connection', '+info', '+cluster')
  const peer = await Peer.open({ url: `redis://cable:password@127.0.0.1:${server.port}/0`, prefix: 'myapp:cable:' })
  const since = await peer.listen('s')
  const at = await peer.publish('s', 1)
  await peer.publish('s', 2, null)
  await peer.hears('s', 2)
  t.equal((await peer.backend.replay('s', since!, at!))?.length, 1)
  t.ok(peer.health().ok)
  t.same(peer.logged, [])
  await peer.close()
})

test('a user that may hear nothing is a clear error at boot; where that may start degraded, it hears as soon as it may', async t => {
  const server = await start(t)
  const allow = (rule: string) => server.tell('acl', 'setuser', 'cable', 'on', '>password', '~*', '+@all', rule)
  const url = `redis://cable:password@127.0.0.1:${server.port}/0`
  await allow('resetchannels')
  await t.rejects(Peer.open({ url }), { code: 'FST_CHANNELS_REDIS_UNREACHABLE', message: /permission/i })
  const peer = await Peer.open({ url, startDegraded: true })
  t.teardown(() => peer.close())
  t.equal(await peer.listen('s'), null)
  t.equal(peer.health().ok, false)
  await allow('allchannels')
  await peer.well()
  await peer.publish('s', 1)
  await peer.hears('s', 1)
  await peer.backend.control('x')
  await until(() => peer.controls.length === 1)
  t.equal(peer.gaps('s').length, 1)
})

test('a cable that may start degraded comes up with its Redis', async t => {
  const server = await start(t)
  await server.stop()
  const peer = await Peer.open({ url: server.url, startDegraded: true })
  t.teardown(() => peer.close())
  t.equal(peer.health().ok, false)
  t.match(peer.logged, [{ level: 'warn', text: /lost Redis/ }])
  await t.rejects(peer.publish('s', 1), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' })
  t.equal(await peer.listen('s'), null)
  await server.start()
  await peer.well()
  await peer.publish('s', 2)
  await peer.hears('s', 1)
  t.same(peer.faults('s'), [])
  t.equal(peer.gaps('s').length, 1)
})

test('before it is open and after it is closed it says no', async t => {
  const backend = redisCable()
  t.equal(backend.health().ok, false)
  await t.rejects(async () => await backend.publish('s', '1', { history: null, except: null }), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' })
  await t.rejects(async () => await backend.control('x'), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' })
  t.equal(await backend.listen('s'), null)
  t.same(await backend.position(['s']), [null])
  t.equal(await backend.replay('s', 'e.0', 'e.1'), null)
  await backend.unlisten('s')
  await backend.close()
})

test('it has two connections of its own, and says goodbye to both', async t => {
  const server = await start(t)
  const peer = await Peer.open({ url: server.url })
  t.same(await connections(server), ['commands', 'subscriber'])
  await peer.close()
  await until(async () => (await connections(server)).length === 0)
  t.equal(peer.health().ok, false)
})

test('a client of the app gives its settings and stays as it is', async t => {
  const server = await start(t, '--requirepass', 'secret')
  const client = new Redis(server.port, '127.0.0.1', { password: 'secret', db: 3, keyPrefix: 'theirs:' })
  const [a, b] = [await Peer.open({ client, prefix: 'app:' }), await Peer.open({ client, prefix: 'app:' })]
  await a.listen('s')
  await b.publish('s', 1)
  await a.hears('s', 1)
  t.same(await connectionsOf(client), ['commands', 'commands', 'subscriber', 'subscriber'])
  t.equal(await client.set('x', 1), 'OK', 'it can still be used')
  const keys = (await client.call('keys', '*') as string[]).sort()
  t.match(keys, [/^app:\{p\d+\}e:$/, /^app:\{p\d+\}h:s$/, /^app:\{p\d+\}m:s$/, 'theirs:x'], 'ours have no prefix but ours')
  await a.close()
  await b.close()
  t.equal(client.status, 'ready')
  await client.quit()
})

test('a whole app runs on app.redis, in two processes', async t => {
  const server = await start(t)
  const apps = await Promise.all([1, 2].map(async () => {
    const app = fastify()
    await app.register(cookie, { secret: 'a secret of at least thirty-two letters' })
    await app.register(fastifyRedis, { url: server.url })
    await app.register(channels, { channels: { RoomChannel }, session: { cookie: 'session', userId: id => id }, findUser: id => ({ id }) as any, cable: redisCable({ client: app.redis, prefix: 'myapp:cable:' }) })
    await app.ready()
    return app
  }))
  const [one, two] = apps as [typeof apps[0], typeof apps[0]]
  const ana = await connect(one, { session: 'ana' })
  const ben = await connect(two, { session: 'ben' })
  for (const ws of [ana, ben]) t.equal((await ws.subscribe('RoomChannel', { room: 'x' })).type, 'confirm_subscription')
  await ana.perform('RoomChannel', 'speak', { text: 'hello' }, { room: 'x' })
  for (const ws of [ana, ben]) t.match(await ws.receive(), { type: 'message', data: { text: 'hello' } })
  t.equal(two.cable.health().ok, true)
  await one.cable.disconnect({ userId: 'ben' })
  t.equal((await ben.closed).code, 4500)
  await ana.close()
  for (const app of apps) await app.close()
  await until(async () => (await connections(server)).length === 0)
})

async function connectionsOf (client: Redis): Promise<string[]> {
  return [...String(await client.call('client', 'list')).matchAll(/ name=channels-(\S+)/g)].map(match => match[1]!).sort()
}
