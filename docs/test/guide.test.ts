// The guide, run: its blocks are the apps of these tests, and what it says of them is what is asserted. Browsers are in pages.test.ts.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import channels from 'fastify-channels'
import type { ChannelClass, FastifyChannelsOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import type { ConnectOptions } from 'fastify-channels/testing'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { Server } from '../../packages/redis/test/servers.ts'
import { blocksOf, layOut, root } from './blocks.ts'
import { sessions, users } from './models.ts'

const folder = join(root, 'docs/.run/guide-test')
layOut('docs/guide.md', folder)
layOut('docs/deploy.md', folder)

let loads = 0
/** A file of the guide, as Node imports it: run anew each time. */
const load = (file: string): Promise<any> => import(`${pathToFileURL(join(folder, file)).href}?${++loads}`)

/** The app of a section; it is closed when the test is over. */
async function appOf (t: Test, file: string): Promise<FastifyInstance> {
  const { app } = await load(file)
  t.teardown(() => app.close())
  return app
}

/** An app for a channel of the guide. */
async function appWith (t: Test, channelsOf: { [name: string]: ChannelClass }, options: FastifyChannelsOptions = {}) {
  const log: any[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { log.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(channels, { channels: channelsOf, ...options })
  return { app, log }
}

/** A session that is hung up before the app is closed. */
async function enter (t: Test, app: FastifyInstance, options?: ConnectOptions) {
  const ws = await connect(app, options)
  t.teardown(() => ws.close())
  return ws
}

async function signedIn (login: string): Promise<string> {
  return sessions.start((await users.called(login))!)
}

const heard = (channel: string, params: object, data: unknown) => ({ type: 'message', channel, params, data })

t.test('§1 what one says in a room, everybody in it hears', async t => {
  const app = await appOf(t, 'guide/1/app.ts')
  const [ana, ben, other] = [await enter(t, app), await enter(t, app), await enter(t, app)]
  await ana.subscribe('ChatChannel', { room: 'general' })
  await ben.subscribe('ChatChannel', { room: 'general' })
  await other.subscribe('ChatChannel', { room: 'elsewhere' })
  await ana.perform('ChatChannel', 'speak', { message: 'hello' }, { room: 'general' })
  for (const ws of [ana, ben]) t.strictSame(await ws.receive(), heard('ChatChannel', { room: 'general' }, { message: 'hello' }))
  await other.perform('ChatChannel', 'speak', { message: 'next' }, { room: 'elsewhere' })
  t.strictSame(await other.receive(), heard('ChatChannel', { room: 'elsewhere' }, { message: 'next' }), 'and nobody else')
})

t.test('§2 the app has a socket, the client, and its decorators', async t => {
  const app = await appOf(t, 'guide/2/app.ts')
  t.equal((await app.inject('/cable')).statusCode, 426)
  const { statusCode, headers } = await app.inject('/cable.js')
  t.equal(statusCode, 200)
  t.match(headers['content-type'], 'text/javascript')
  t.type(app.channel, 'function')
  t.type(app.cable.broadcast, 'function')
  const ws = await enter(t, app)
  t.match(await ws.subscribe('Nobody'), { type: 'reject_subscription', reason: 'unknown_channel' })
})

t.test('§3 params are the identity of a subscription, and have a schema', async t => {
  const app = await appOf(t, 'guide/3/app.ts')
  const ws = await enter(t, app)
  t.match(await ws.subscribe('ChatChannel', { room: 'a' }), { type: 'confirm_subscription' })
  t.match(await ws.subscribe('ChatChannel', { room: 'b' }), { type: 'confirm_subscription' })
  await ws.perform('ChatChannel', 'speak', { message: 'hi' }, { room: 'b' })
  t.strictSame(await ws.receive(), heard('ChatChannel', { room: 'b' }, { message: 'hi' }))
  t.match(await ws.subscribe('ChatChannel', { room: 1 }), { type: 'reject_subscription', reason: 'invalid_params' }, 'not coerced')
  t.match(await ws.subscribe('ChatChannel', {}), { type: 'reject_subscription', reason: 'invalid_params' })
})

t.test('§3 a channel can be registered in a context, under a name of its own', async t => {
  const app = await appOf(t, 'guide/3/app.ts')
  const ws = await enter(t, app)
  t.match(await ws.subscribe('SupportChannel', { room: 'a' }), { type: 'confirm_subscription' })
})

t.test('§4 what subscribed() sends leaves before the confirmation; unsubscribed() says why', async t => {
  const { RoomChannel } = await load('guide/4/channels/room-channel.ts')
  const { app, log } = await appWith(t, { RoomChannel })
  const ws = await enter(t, app)
  ws.send({ command: 'subscribe', channel: 'RoomChannel', params: { room: 'a' } })
  t.strictSame(await ws.receive(), heard('RoomChannel', { room: 'a' }, { status: 'welcome' }))
  t.match(await ws.receive(), { type: 'confirm_subscription' })
  await ws.close()
  t.match(log.filter(({ msg }) => msg === 'left'), [{ reason: 'close', channel: 'RoomChannel' }])
})

t.test('§5 a visitor is anonymous, a session has its user, in channels and in routes', async t => {
  const app = await appOf(t, 'guide/5/app.ts')
  const visitor = await enter(t, app)
  t.strictSame(await visitor.subscribe('InboxChannel'), { type: 'reject_subscription', channel: 'InboxChannel', params: {} }, 'rejected by the channel itself: without a reason')
  const session = await signedIn('ana')
  const ana = await enter(t, app, { session })
  t.match(await ana.subscribe('InboxChannel'), { type: 'confirm_subscription' })
  await app.cable.broadcast('inbox_1', { note: 1 })
  t.strictSame(await ana.receive(), heard('InboxChannel', {}, { note: 1 }))

  t.same((await app.inject('/me')).json(), { login: null })
  t.same((await app.inject({ url: '/me', cookies: { session: app.signCookie(session) } })).json(), { login: 'ana' })
  t.same((await app.inject({ url: '/me', cookies: { session } })).json(), { login: null }, 'a cookie that nobody signed')
})

t.test('§5 members come in, others do not, and nobody acts in a channel that rejected them', async t => {
  const app = await appOf(t, 'guide/5/app.ts')
  const [ben, cleo] = [await enter(t, app, { session: await signedIn('ben') }), await enter(t, app, { session: await signedIn('cleo') })]
  t.match(await ben.subscribe('RoomChannel', { room_id: 42 }), { type: 'confirm_subscription' })
  t.match(await ben.subscribe('RoomChannel', { room_id: 43 }), { type: 'reject_subscription' })
  t.match(await cleo.subscribe('RoomChannel', { room_id: 42 }), { type: 'reject_subscription' })
  cleo.send({ command: 'message', channel: 'RoomChannel', params: { room_id: 42 }, action: 'anything' })
  t.strictSame(await cleo.receive(), { type: 'error', reason: 'not_subscribed' })
})

t.test('§5 somebody is thrown out of one room, or altogether', async t => {
  const app = await appOf(t, 'guide/5/app.ts')
  const { ban, removeFromRoom } = await load('guide/5/logout.ts')
  const ben = await enter(t, app, { session: await signedIn('ben') })
  await ben.subscribe('RoomChannel', { room_id: 42 })
  await ben.subscribe('InboxChannel')
  await removeFromRoom(app, 2, 42)
  t.match(await ben.receive(), { type: 'reject_subscription', channel: 'RoomChannel', reason: 'revoked' })
  await app.cable.broadcast('room_42', 'not for ben')
  await app.cable.broadcast('inbox_2', 'for ben')
  t.match(await ben.receive(), { channel: 'InboxChannel', data: 'for ben' })
  await ban(app, 2)
  t.match(await ben.closed, { code: 4500 })
})

t.test('§5 a page of another host is turned away before the upgrade', async t => {
  const app = await appOf(t, 'guide/5/app.ts')
  await t.rejects(connect(app, { headers: { origin: 'https://elsewhere.example' } }), { message: 'Unexpected server response: 403' })
  await enter(t, app, { headers: { origin: 'http://localhost' } })
})

t.test('§6 an action answers its caller: a value, a reason of its own, or no more than "error"', async t => {
  const { ChatChannel } = await load('guide/6/channels/chat-channel.ts')
  const { app } = await appWith(t, { ChatChannel }, { actions: 'declared' })
  const room = { room: 'a' }
  const ws = await enter(t, app)
  await ws.subscribe('ChatChannel', room)
  t.match(await ws.perform('ChatChannel', 'speak', { message: 'hello' }, room), { status: 'ok', data: { length: 5 } })
  t.match(await ws.receive(), { type: 'message', data: { message: 'hello' } })
  t.match(await ws.perform('ChatChannel', 'speak', { message: 'x'.repeat(501) }, room), { status: 'error', reason: 'too_long', data: { max: 500 } })
  t.match(await ws.perform('ChatChannel', 'speak', { message: 7 }, room), { status: 'error', reason: 'invalid_data' })
  t.match(await ws.perform('ChatChannel', 'typing', {}, room), { status: 'ok', data: null }, 'nothing returned is null')
  t.match(await ws.receive(), { data: { typing: true } })
  for (const data of [0, false, '']) {
    await ws.perform('ChatChannel', 'receive', data, room)
    t.match(await ws.receive(), { data: { echo: data } }, 'falsy data stays what it is')
  }
  await ws.perform('ChatChannel', 'receive', null, room)
  t.strictSame(await ws.receive(), heard('ChatChannel', room, { echo: {} }))
  for (const name of ['_hidden', 'subscribed', 'send', 'broadcast', 'reject', 'streamFrom', 'stopStreamFrom', 'stopAllStreams']) {
    t.match(await ws.perform('ChatChannel', name, {}, room), { status: 'error', reason: 'invalid_action' }, name)
  }
  for (const name of ['toString', 'nothing']) {
    t.match(await ws.perform('ChatChannel', name, {}, room), { status: 'error', reason: /^(un|in)[a-z]+_action$/ }, name)
  }
})

t.test('§7 a route speaks just before it answers, and not when it failed', async t => {
  const app = await appOf(t, 'guide/7/app.ts')
  app.get('/fails', async (_request, reply) => {
    reply.cable.broadcast('chat_42', { message: 'never said' })
    throw new Error('no')
  })
  const ws = await enter(t, app)
  await ws.subscribe('ChatChannel', { room_id: 42 })
  t.equal((await app.inject('/fails')).statusCode, 500)
  const { statusCode, headers } = await app.inject({ method: 'POST', url: '/rooms/42/messages', payload: { text: 'from a route' } })
  t.equal(statusCode, 302)
  t.equal(headers.location, '/rooms/42')
  t.match(await ws.receive(), { data: { message: 'from a route' } })
})

t.test('§7 a broadcast can leave out one page', async t => {
  const app = await appOf(t, 'guide/7/app.ts')
  app.post('/said', async (_request, reply) => {
    reply.cable.toOthers().broadcast('chat_42', { message: 'for the others' })
    reply.cable.broadcast('chat_42', { message: 'for all' })
    return {}
  })
  const page = async (tab: string) => {
    const ws = await enter(t, app, { protocols: 'channels-v1' })
    ws.send({ command: 'subscribe', channel: 'ChatChannel', params: { room_id: 42 }, tab })
    t.match(await ws.receive(), { type: 'confirm_subscription' })
    return ws
  }
  const [own, other] = [await page('own'), await page('other')]
  await app.inject({ method: 'POST', url: '/said', headers: { 'x-cable-id': 'own' } })
  t.match(await other.receive(), { type: 'broadcast', data: { message: 'for the others' } })
  t.match(await other.receive(), { type: 'broadcast', data: { message: 'for all' } })
  const stamp = await own.receive()
  t.match(stamp, { type: 'broadcast', stream: 'chat_42' })
  t.notOk('data' in stamp, 'its place moves on, without the data')
  t.match(await own.receive(), { type: 'broadcast', data: { message: 'for all' } })
})

t.test('§7 a page that was read through a snapshot is caught up with what came after it', async t => {
  const { app, reportProgress } = await load('guide/7/app.ts')
  t.teardown(() => app.close())
  const { roomPage } = await load('guide/7/page.ts')
  roomPage(app)
  const { since, messages } = (await app.inject('/rooms/42')).json()
  t.ok(Array.isArray(messages))
  await app.inject({ method: 'POST', url: '/rooms/42/messages', payload: { text: 'in between' } })
  await reportProgress(1, 50)

  const ws = await enter(t, app, { protocols: 'channels-v1' })
  ws.send({ command: 'subscribe', channel: 'ChatChannel', params: { room_id: 42 }, ref: 1, positions: JSON.parse(decodeURIComponent(since)) })
  t.match(await ws.receive(), { type: 'broadcast', stream: 'chat_42', ref: 1, data: { message: 'in between' } })
  t.match(await ws.receive(), { type: 'confirm_subscription', recovered: true })
})

t.test('§8 the two ends of a subscription tell who comes and goes', async t => {
  const { RoomChannel } = await load('guide/8/channels/room-channel.ts')
  const { app } = await appWith(t, { RoomChannel }, { cookie: { secret: 'a secret of at least thirty-two characters' }, session: { cookie: 'session', userId: id => sessions.userId(id) }, findUser: id => users.find(id) })
  const room = { room_id: 42 }
  const ana = await enter(t, app, { session: await signedIn('ana') })
  await ana.subscribe('RoomChannel', room)
  t.match(await ana.receive(), { data: { event: 'joined', user: 'ana' } })
  const ben = await enter(t, app, { session: await signedIn('ben') })
  await ben.subscribe('RoomChannel', room)
  t.match(await ana.receive(), { data: { event: 'joined', user: 'ben' } })
  await ben.close()
  t.match(await ana.receive(), { data: { event: 'left', user: 'ben' } })
  const visitor = await enter(t, app)
  t.match(await visitor.subscribe('RoomChannel', room), { type: 'reject_subscription' })
})

t.test('§10 a route broadcasts the very HTML that its page renders', async t => {
  const app = await appOf(t, 'guide/10/app.ts')
  const ws = await enter(t, app)
  await ws.subscribe('ChatChannel', { room_id: 42 })
  await app.inject({ method: 'POST', url: '/rooms/42/messages', payload: { text: '<b>hi</b>' } })
  const { data } = await ws.receive() as { data: string }
  const [, item] = data.match(/^<turbo-stream action="append" target="messages"><template>(.*)<\/template><\/turbo-stream>$/)!
  t.match(item, /^<li id="message_\d+">ana: &#60;b&#62;hi/)
  const { body } = await app.inject('/rooms/42')
  t.ok(body.includes(item!), 'the same in the list')
  t.match(body, /<turbo-stream-channel channel="ChatChannel" params="[^"]+" since="[^"]+">/)
})

t.test('§11 a client that offers no subprotocol says and hears exactly these frames', async t => {
  const frames = blocksOf('docs/guide.md').filter(({ section, language }) => section === '11' && language === 'json')
    .flatMap(({ code }) => code.trim().split('\n')).map(line => JSON.parse(line))
  const [subscribe, message, unsubscribe, confirm, reject, broadcast, error] = frames
  const app = await appOf(t, 'guide/1/app.ts')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ws = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/cable`)
  const say = async (command: object) => {
    ws.send(JSON.stringify(command))
    return JSON.parse(String((await once(ws, 'message'))[0]))
  }
  await once(ws, 'open')
  t.strictSame(await say(message), error)
  t.strictSame(await say(subscribe), confirm)
  t.strictSame(await say(message), broadcast)
  ws.send(JSON.stringify(unsubscribe))
  t.strictSame(await say(message), error)
  t.strictSame(await say({ ...subscribe, channel: 'Nobody' }), { ...reject, channel: 'Nobody', reason: 'unknown_channel' })
  ws.terminate()
})

t.test('§12 without an address of Redis the cable is that of one process', async t => {
  delete process.env.REDIS_URL
  const app = await appOf(t, 'guide/12/app.ts')
  await app.ready()
  t.match(app.cable.health(), { ok: true, backend: 'in-process' })
})

t.test('§12 with Redis, what one process says another delivers', async t => {
  const redis = await Server.start()
  t.teardown(() => redis.stop())
  process.env.REDIS_URL = redis.url
  t.teardown(() => { delete process.env.REDIS_URL })
  const apps = [await appOf(t, 'guide/12/app.ts'), await appOf(t, 'guide/12/app.ts')]
  const { RoomChannel } = await load('guide/4/channels/room-channel.ts')
  for (const app of apps) app.channel(RoomChannel)
  const [here, there] = [await enter(t, apps[0]!), await enter(t, apps[1]!)]
  for (const ws of [here, there]) {
    t.match(await ws.subscribe('RoomChannel', { room: 'a' }), { type: 'confirm_subscription' })
    t.match(await ws.receive(), { data: { status: 'welcome' } })
  }
  await apps[0]!.cable.broadcast('room_a', 'from one')
  await apps[1]!.cable.broadcast('room_a', 'from the other')
  for (const ws of [here, there]) {
    t.match(await ws.receive(), { data: 'from one' })
    t.match(await ws.receive(), { data: 'from the other' })
  }
  t.equal(apps[0]!.cable.health().ok, true)
})

t.test('§13 the test of the guide passes', t => {
  const { status, stdout } = spawnSync(process.execPath, ['--import=./tools/ts.mjs', '--conditions=fastify-channels-source', '--test', '--test-reporter=tap', join(folder, 'guide/13/chat.test.ts')],
    { cwd: root, encoding: 'utf8', env: { PATH: process.env.PATH } })
  t.equal(status, 0, stdout)
  t.match(stdout, /ok 1 - what is said in a room is heard in it/)
  t.end()
})

t.test('deploy.md: a server that stops tells when to come back, and closes with 1012', async t => {
  const app = await appOf(t, 'deploy/0/server.ts')
  const ws = await enter(t, app, { protocols: 'channels-v1' })
  const closing = app.close()
  t.match(await ws.receive(), { type: 'disconnect', reconnect: true, retryIn: Number })
  t.match(await ws.closed, { code: 1012 })
  await closing
})

t.test('deploy.md: readiness is the health of the cable', async t => {
  const { readiness } = await load('deploy/0/ready.ts')
  const { app } = await appWith(t, {})
  readiness(app)
  const { statusCode, body } = await app.inject('/ready')
  t.equal(statusCode, 200)
  t.equal(JSON.parse(body).ok, true)
})
