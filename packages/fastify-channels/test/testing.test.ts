// The testing kit (guide §13): a channel tested without a server, and what a test is told when it waits in vain.
import { once } from 'node:events'
import { mock } from 'node:test'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import channels, { Channel, current } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { WebSocket } from 'ws'
import { kConnections } from '../src/plugin.ts'
import { address, gate, secret, setting, until } from './setting.ts'

class ChatChannel extends Channel {
  subscribed () { this.streamFrom(`chat_${this.params.room}`) }
  async speak (data: any) { await this.broadcast(`chat_${this.params.room}`, { message: data.message }) }
  who () { return current.user?.login ?? null }
}
const guarded = { channels: { ChatChannel }, cookie: { secret }, session: { cookie: 'session' }, findUser: (id: string) => ({ login: id }) }

t.test('a chat is tested without a server (guide §13)', async t => {
  const app = Fastify()
  app.register(channels, { channels: { ChatChannel } })
  const ws = await connect(app)
  const confirm = await ws.subscribe('ChatChannel', { room: 'general' })
  t.equal(confirm.type, 'confirm_subscription')
  await ws.perform('ChatChannel', 'speak', { message: 'hi' }, { room: 'general' })
  const message = await ws.receive() as any
  t.equal(message.data.message, 'hi')
  await ws.close()
  await app.close()
  t.equal(app.server.listening, false, 'no port was opened')
})

t.test('two sessions talk to each other', async t => {
  const { app } = await setting(t, { channels: { ChatChannel } })
  const [ana, bob] = await Promise.all([connect(app), connect(app)])
  for (const ws of [ana, bob]) await ws.subscribe('ChatChannel', { room: 1 })
  await ana.perform('ChatChannel', 'speak', { message: 'hi' }, { room: 1 })
  for (const ws of [ana, bob]) t.match(await ws.receive(), { data: { message: 'hi' } })
})

t.test('a session signs in with a value, a map of cookies, the cookies of an answer, or headers', async t => {
  const { app } = await setting(t, guarded, app => {
    app.post('/login', (_request, reply) => reply.setCookie('session', 'ana', { signed: true }).setCookie('other', 'ü=;').send({}))
    app.channel(class CookieChannel extends Channel { all () { return this.request.cookies } })
  })
  await app.ready()
  const signed = app.signCookie('ana')
  const { cookies } = await app.inject({ method: 'POST', url: '/login' })
  for (const options of [{ session: 'ana' }, { cookies: { session: signed } }, { cookies }, { headers: { cookie: `session=${encodeURIComponent(signed)}` } }, { session: 'ana', cookies: { other: 'x' } }]) {
    const ws = await connect(app, options)
    await ws.subscribe('ChatChannel')
    t.match(await ws.perform('ChatChannel', 'who'), { data: 'ana' }, JSON.stringify(options))
    await ws.close()
  }
  const ws = await connect(app, { cookies })
  await ws.subscribe('CookieChannel')
  t.match((await ws.perform('CookieChannel', 'all')).data, { other: 'ü=;' }, 'a value of any letters')
})

t.test('a session for an app that reads none from a cookie is an error that says what to do', async t => {
  for (const options of [{}, { session: () => null, findUser: () => null }]) {
    const { app } = await setting(t, options)
    await t.rejects(connect(app, { session: 'ana' }), { message: /^connect\(app, \{ session \}\): this app reads its session with a function, so sign in with cookies or headers$/ })
  }
})

t.test('a wait in vain ends at its deadline, with what did arrive', async t => {
  class MuteChannel extends Channel {
    subscribed () { if (this.params.hang) return gate() }
    hang () { return gate() }
  }
  const { app } = await setting(t, { channels: { MuteChannel }, limits: { endTimeout: 20 } })
  const ws = await connect(app, { timeout: 30 })
  await t.rejects(ws.receive(), { message: 'no frame within 30 ms; nothing arrived' })
  await ws.subscribe('MuteChannel')
  const seen = 'these arrived:\n  {"type":"confirm_subscription","channel":"MuteChannel","params":{}}'
  await t.rejects(ws.receive(), { message: `no frame within 30 ms; ${seen}` })
  await t.rejects(ws.perform('MuteChannel', 'hang'), { message: `no reply to MuteChannel.hang() within 30 ms; ${seen}` })
  await t.rejects(ws.subscribe('MuteChannel', { hang: true }), { message: `no answer to the subscribe of ["MuteChannel",{"hang":true}] within 30 ms; ${seen}` })
  await t.rejects(ws.closed, { message: `no end of the session within 30 ms; ${seen}` })
  ws.send({ command: 'subscribe', channel: 'MuteChannel', params: { n: 1 } })
  t.match(await ws.receive(), { params: { n: 1 } }, 'who gave up takes nothing from those who come after')
  await ws.close()
  await t.rejects(ws.receive(), { message: /^no frame within 30 ms \(the connection is closed\); these arrived:/ })
})

t.test('close() twice is quiet', async t => {
  const { app } = await setting(t)
  const ws = await connect(app, { timeout: 30 })
  await ws.close()
  await ws.close()
  t.same(ws.frames, [])
})

t.test('close() that the server does not follow ends at its deadline', async t => {
  const { app } = await setting(t)
  const ws = await connect(app, { timeout: 30 })
  const connections = app[kConnections]
  const [connection] = connections
  connections[Symbol.iterator] = () => [connection!].values()
  await t.rejects(ws.close(), { message: 'no end of the connection within 30 ms (the connection is closed); nothing arrived' })
})

t.test('close() settles when every unsubscribed() has run', async t => {
  let done = 0
  class SlowChannel extends Channel {
    async unsubscribed () {
      await new Promise(resolve => setTimeout(resolve, 5))
      done++
    }
  }
  const { app } = await setting(t, { channels: { SlowChannel } })
  const ws = await connect(app)
  for (let n = 0; n < 3; n++) await ws.subscribe('SlowChannel', { n })
  await ws.close()
  t.equal(done, 3)
})

t.test('frames are kept from the first byte, in their order, until somebody takes them', async t => {
  const { app } = await setting(t, { channels: { ChatChannel } })
  const ws = await connect(app)
  await ws.subscribe('ChatChannel', { room: 1 })
  for (const message of [1, 2, 3]) await ws.perform('ChatChannel', 'speak', { message }, { room: 1 })
  t.same(ws.frames.map(({ data }: any) => data.message), [1, 2, 3])
  t.same([await ws.receive(), await ws.receive(), await ws.receive()].map(({ data }: any) => data.message), [1, 2, 3])
  t.same(ws.frames, [])
  const waiting = [ws.receive(), ws.receive()]
  for (const message of [4, 5]) app.cable.broadcast('chat_1', { message })
  t.same((await Promise.all(waiting)).map(({ data }: any) => data.message), [4, 5], 'first come, first served')
})

t.test('several sessions of one app are told apart', async t => {
  const ends: number[] = []
  class NumberChannel extends Channel { unsubscribed () { ends.push(this.params.n) } }
  const { app } = await setting(t, { channels: { NumberChannel } })
  const sessions = await Promise.all([0, 1, 2].map(() => connect(app)))
  for (const [n, ws] of sessions.entries()) await ws.subscribe('NumberChannel', { n })
  await sessions[1]!.close()
  t.same(ends, [1])
})

t.test('the server\'s own end of a session shows as closed', async t => {
  const { app } = await setting(t, guarded)
  const ws = await connect(app, { session: 'ana' })
  await app.cable.disconnect({ userId: 'ana' })
  t.same(await ws.closed, { code: 4500, reason: 'unauthorized' })
  t.same(await ws.closed, { code: 4500, reason: 'unauthorized' }, 'whenever it is asked')
})

t.test('a handshake that is refused is an error with its status', async t => {
  const { app } = await setting(t, { origin: { required: true } })
  await t.rejects(connect(app), /403/)
  const ws = await connect(app, { headers: { origin: 'http://localhost' } })
  await ws.close()
})

t.test('a handshake that hangs ends at its deadline', async t => {
  const { app } = await setting(t, { session: () => gate<null>(), findUser: () => null, limits: { identifyTimeout: 200 } })
  await t.rejects(connect(app, { timeout: 30 }), { message: 'no answer to the handshake within 30 ms; nothing arrived' })
})

t.test('an app without channels says so', async t => {
  await t.rejects(connect(Fastify()), { message: /^connect\(app\): this app has no cable; await app.register\(channels, …\)/ })
})

t.test('a session answers the heartbeat, however long a test takes', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { app } = await setting(t, { channels: { ChatChannel } })
  const ws = await connect(app)
  for (let second = 0; second < 60; second++) {
    mock.timers.tick(1000)
    await until('it has answered', () => [...app[kConnections]].every(({ missed }) => missed === 0))
  }
  t.match(await ws.subscribe('ChatChannel', {}), { type: 'confirm_subscription' })
})

t.test('offers subprotocols, one or several', async t => {
  const { app } = await setting(t, { channels: { ChatChannel } })
  for (const protocols of ['channels-v1', ['evil', 'channels-v1']]) {
    const ws = await connect(app, { protocols })
    t.match(await ws.subscribe('ChatChannel', {}), { recovered: null })
  }
})

t.test('what it needs of ws is there: a receiver that says when a close frame was read', async t => {
  const app = Fastify()
  await app.register(cookie)
  await app.register(channels)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ws = new WebSocket(`${address(app)}/cable`)
  await once(ws, 'open')
  const concluded = once((ws as any)._receiver, 'conclude')
  const closing = app.close()
  t.equal((await concluded)[0], 1012)
  await closing
})
