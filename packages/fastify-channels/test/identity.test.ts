// Who is speaking: the session, the user behind it, and `current` in channels and in routes (guide §5).
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { mock } from 'node:test'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { Channel, current } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { kConnections } from '../src/plugin.ts'
import { bare, errors, fence, gate, Journal, secret, setting, until } from './setting.ts'

class WhoChannel extends Channel {
  subscribed () { if (this.params.members && !this.authenticated) this.reject() }
  who () { return [current.user?.login ?? null, this.user?.login ?? null, this.authenticated] }
}
const who = 'WhoChannel'
const nobody = { data: [null, null, false] }
const ana = { data: ['ana', 'ana', true] }

const users = new Map([['1', { id: 1, login: 'ana' }], ['2', { id: 2, login: 'bob' }]])

async function guarded (t: any, options: Partial<FastifyChannelsOptions> = {}, prepare?: (app: FastifyInstance) => unknown) {
  const ids: string[] = []
  const setup = await setting(t, {
    channels: { WhoChannel },
    cookie: { secret },
    session: { cookie: 'session' },
    findUser: id => {
      ids.push(id)
      return users.get(String(id))
    },
    ...options
  }, prepare)
  return { ...setup, ids }
}

t.test('the user is the one of the signed session cookie; any other cookie is nobody\'s, and no error (guide §5)', async t => {
  const { app, log } = await guarded(t)
  await app.ready()
  const signed = app.signCookie('1')
  for (const [name, cookies, expected] of [
    ['signed', { session: signed }, ana],
    ['none', {}, nobody],
    ['not signed', { session: '1' }, nobody],
    ['empty', { session: '' }, nobody],
    ['tampered with', { session: signed.replace('1.', '2.') }, nobody],
    ['cut off', { session: signed.slice(0, -3) }, nobody],
    ['only a signature', { session: signed.slice(1) }, nobody],
    ['signed with another secret', { session: await foreign('1') }, nobody],
    ['under another name', { sessions: signed }, nobody],
    ['of a user who is gone', { session: app.signCookie('3') }, null]
  ] as const) {
    const ws = await connect(app, { cookies: cookies as any })
    if (expected === null) {
      ws.send({ command: 'subscribe', channel: who, params: {} })
      t.same(await ws.closed, { code: 4500, reason: 'unauthorized' }, name)
      continue
    }
    t.match(await ws.subscribe(who), { type: 'confirm_subscription' }, name)
    t.match(await ws.perform(who, 'who'), expected, name)
    t.match(await ws.subscribe(who, { members: true }), { type: expected === ana ? 'confirm_subscription' : 'reject_subscription' }, `${name}: what is for members`)
  }
  const ws = await connect(app, { headers: { cookie: 'session=%zz; a=b; ;;; session' } })
  t.match(await ws.subscribe(who, { members: true }), { type: 'reject_subscription' }, 'a cookie header that is rubbish')
  t.same(errors(log), [])
})

async function foreign (value: string): Promise<string> {
  const app = Fastify()
  await app.register(cookie, { secret: 'another secret of at least thirty-two characters' })
  await app.ready()
  return app.signCookie(value)
}

t.test('without an option session everybody is anonymous', async t => {
  const { app } = await setting(t, { channels: { WhoChannel } })
  app.get('/', async () => ({ user: current.user }))
  const ws = await connect(app, { cookies: { session: 'x' } })
  await ws.subscribe(who)
  t.match(await ws.perform(who, 'who'), nobody)
  t.same((await app.inject('/')).json(), { user: null })
})

t.test('a session may be any function of the request', async t => {
  for (const session of [
    (request: any) => request.headers['x-user'],
    async (request: any) => request.headers['x-user'] ?? null,
    (request: any) => request.headers['x-user'] === undefined ? undefined : Number(request.headers['x-user']),
    (request: any) => request.headers['x-user'] === undefined ? null : { userId: Number(request.headers['x-user']), id: 'session 7' }
  ]) {
    const { app } = await guarded(t, { session, cookie: undefined as any })
    const one = await connect(app, { headers: { 'x-user': '1' } })
    await one.subscribe(who)
    t.match(await one.perform(who, 'who'), ana)
    const other = await connect(app)
    await other.subscribe(who)
    t.match(await other.perform(who, 'who'), nobody)
    await t.rejects(connect(app, { session: '1' }), /this app reads its session with a function/)
  }
})

t.test('session.userId looks the session up; the cookie\'s value need not be the user\'s id', async t => {
  const seen = new Journal<any>()
  const { app } = await guarded(t, {
    session: {
      cookie: 'session',
      userId: async (value, request) => {
        seen.put([value, request.url])
        return value === 'session of ana' ? 1 : null
      }
    }
  })
  const ws = await connect(app, { session: 'session of ana' })
  await ws.subscribe(who)
  t.match(await ws.perform(who, 'who'), ana)
  await ws.perform(who, 'who')
  t.same(seen.all, [['session of ana', '/cable']], 'once per connection, at the handshake (upstream U8)')
  const other = await connect(app, { session: 'session of nobody' })
  await other.subscribe(who)
  t.match(await other.perform(who, 'who'), nobody)
})

t.test('findUser is asked before every dispatch, and not for an anonymous visitor', async t => {
  const { app, ids } = await guarded(t)
  const ws = await connect(app, { session: '1' })
  t.same(ids, [], 'not at the handshake')
  await ws.subscribe(who)
  t.same(ids, ['1'])
  await ws.perform(who, 'who')
  await ws.perform(who, 'who')
  t.equal(ids.length, 3, 'one for the subscribe, one for each action')
  await ws.perform(who, 'no such action')
  await ws.perform(who, '_invalid')
  await ws.perform('NoChannel', 'who')
  await ws.subscribe('NoChannel')
  await ws.subscribe(who)
  t.equal(ids.length, 3, 'and none for what is not dispatched')
  await ws.close()
  t.equal(ids.length, 3, 'nor for the end')
  const visitor = await connect(app)
  await visitor.subscribe(who)
  await visitor.perform(who, 'who')
  t.equal(ids.length, 3)
})

t.test('what findUser gives now is what a channel sees now', async t => {
  let login = 'before'
  const { app } = await guarded(t, { findUser: async () => ({ login }) })
  const ws = await connect(app, { session: '1' })
  await ws.subscribe(who)
  t.match(await ws.perform(who, 'who'), { data: ['before', 'before', true] })
  login = 'after'
  t.match(await ws.perform(who, 'who'), { data: ['after', 'after', true] })
})

t.test('a user who is gone: the dispatch does not run, and the connection is closed as unauthorized (upstream D11)', async t => {
  const ran: string[] = []
  for (const gone of [null, undefined]) {
    for (const protocols of ['', 'channels-v1']) {
      let user: any = { login: 'ana' }
      class RunChannel extends Channel {
        subscribed () {
          ran.push('subscribed')
          this.streamFrom('room')
        }

        run () { ran.push('run') }
      }
      const { app } = await guarded(t, { channels: { RunChannel }, findUser: async () => user })
      const ws = await connect(app, { session: '1', ...protocols !== '' && { protocols } })
      await ws.subscribe('RunChannel')
      user = gone
      ran.length = 0
      ws.send({ command: 'message', channel: 'RunChannel', params: {}, action: 'run', id: 1 })
      ws.send({ command: 'subscribe', channel: 'RunChannel', params: { more: true } })
      ws.send({ command: 'message', channel: 'RunChannel', params: {}, action: 'run', id: 2 })
      t.same(await ws.closed, { code: 4500, reason: 'unauthorized' })
      await app.cable.broadcast('room', 'a secret')
      t.same(ws.frames, protocols === '' ? [] : [{ type: 'disconnect', reason: 'unauthorized', reconnect: false }])
      t.same(ran, [])
    }
  }
})

t.test('a findUser that throws or hangs is reason error: the dispatch does not run, the connection stays', async t => {
  const hangs = gate<any>()
  let ran = 0
  let find: () => any = () => ({ login: 'ana' })
  class RunChannel extends Channel { run () { ran++ } }
  const { app, log } = await guarded(t, { channels: { RunChannel }, findUser: () => find(), limits: { identifyTimeout: 20 } })
  const ws = await connect(app, { session: '1' })
  await ws.subscribe('RunChannel')
  for (const [failing, message] of [[() => { throw new Error('no database') }, 'no database'], [async () => { throw new Error('no database') }, 'no database'], [() => hangs, 'findUser() took longer than 20 ms']] as const) {
    find = failing
    log.length = 0
    t.match(await ws.perform('RunChannel', 'run'), { status: 'error', reason: 'error' })
    t.same(await ws.subscribe('RunChannel', { n: 1 }), { type: 'reject_subscription', channel: 'RunChannel', params: { n: 1 }, reason: 'error' })
    ws.send({ command: 'message', channel: 'RunChannel', params: {}, action: 'run' })
    t.same(await ws.receive(), { type: 'error', reason: 'error' })
    t.same(errors(log).map(({ err }) => err!.message), [message, message, message])
  }
  t.equal(ran, 0)
  find = () => ({ login: 'ana' })
  t.match(await ws.perform('RunChannel', 'run'), { status: 'ok' })
  t.equal(ran, 1)
  hangs.open({ login: 'late' })
  await fence(t, ws, 'who comes late changes nothing')
})

t.test('a session that cannot be read refuses the handshake with 503, and asks to come again', async t => {
  const hangs = gate<any>()
  for (const [userId, message] of [
    [() => { throw new Error('no store') }, 'no store'],
    [async () => { throw new Error('no store') }, 'no store'],
    [() => hangs, 'the session took longer than 20 ms'],
    [() => ({}), 'the session gave'], [() => ['1'], 'the session gave'], [() => NaN, 'the session gave NaN'], [() => true, 'the session gave true']
  ] as const) {
    const { app, log } = await guarded(t, { session: { cookie: 'session', userId: userId as any }, limits: { identifyTimeout: 20 } })
    await t.rejects(connect(app, { session: '1' }), /503/, message)
    t.equal(errors(log).length, 1)
    t.ok(errors(log)[0]!.err!.message.startsWith(message), errors(log)[0]!.err!.message)
    const ws = await connect(app)
    t.match(await ws.subscribe(who), { type: 'confirm_subscription' }, 'a visitor without a session is let in')
  }
  hangs.open(null)
})

t.test('ids compare as strings: a session\'s 1 is app.cable.disconnect({ userId: \'1\' }) and the other way round', async t => {
  for (const [given, named] of [[1, '1'], ['1', 1], [1, 1], ['1', '1']] as const) {
    const { app } = await guarded(t, { session: { cookie: 'session', userId: () => given } })
    const ws = await connect(app, { session: 'x' })
    await ws.subscribe(who)
    t.match(await ws.perform(who, 'who'), ana)
    await app.cable.disconnect({ userId: named })
    t.match(await ws.closed, { code: 4500 })
  }
  const { app, ids } = await guarded(t, { session: { cookie: 'session', userId: () => 0 } })
  const ws = await connect(app, { session: 'x' })
  ws.send({ command: 'subscribe', channel: who, params: {} })
  t.match(await ws.closed, { code: 4500 }, 'a user 0 is a user')
  t.same(ids, ['0'])
})

t.test('current.user', async t => {
  t.test('is there in subscribed(), actions, unsubscribed(), and in all they wait for', async t => {
    const seen: any[] = []
    const see = async (where: string) => {
      seen.push([where, current.user?.login])
      await new Promise(resolve => setTimeout(resolve, 1))
      seen.push([where, current.user?.login])
      await Promise.all([1, 2].map(async () => { seen.push([where, current.user?.login]) }))
    }
    class SeeChannel extends Channel {
      started = (seen.push(['constructor', current.user?.login]), true)
      async subscribed () { await see('subscribed') }
      async act () { await see('act') }
      async unsubscribed () { await see('unsubscribed') }
    }
    const { app } = await guarded(t, { channels: { SeeChannel } })
    const ws = await connect(app, { session: '1' })
    await ws.subscribe('SeeChannel')
    await ws.perform('SeeChannel', 'act')
    await ws.close()
    t.same(seen, [['constructor', 'ana'], ...['subscribed', 'act', 'unsubscribed'].flatMap(where => Array(4).fill([where, 'ana']))])
    t.equal(current.user, null, 'and nowhere else')
  })

  t.test('is there in HTTP routes, in every hook from preValidation on, and after a body was read', async t => {
    const hooks: any[] = []
    const { app, ids } = await guarded(t, {}, app => {
      for (const hook of ['preValidation', 'preHandler', 'preSerialization', 'onSend'] as const) {
        app.addHook(hook as 'preHandler', async () => { hooks.push([hook, current.user?.login]) })
      }
      app.post('/', async request => {
        await new Promise(resolve => setImmediate(resolve))
        return { user: current.user?.login ?? null, body: request.body }
      })
    })
    await app.ready()
    const cookies = { session: app.signCookie('1') }
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    const ask = async (headers: object = {}) => await (await fetch(address, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"a":1}' })).json()
    t.same(await ask({ cookie: `session=${encodeURIComponent(cookies.session)}` }), { user: 'ana', body: { a: 1 } })
    t.same(hooks, ['preValidation', 'preHandler', 'preSerialization', 'onSend'].map(hook => [hook, 'ana']))
    t.equal(ids.length, 1, 'loaded once per request')
    hooks.length = 0
    t.same(await ask(), { user: null, body: { a: 1 } })
    t.same(hooks, ['preValidation', 'preHandler', 'preSerialization', 'onSend'].map(hook => [hook, undefined]))
    t.equal(ids.length, 1, 'nobody is loaded without a session')
    t.same(await ask({ cookie: 'session=forged.xxx' }), { user: null, body: { a: 1 } })
    t.same((await app.inject({ method: 'POST', url: '/', cookies })).json().user, 'ana')
  })

  t.test('is there after a body that came in pieces', async t => {
    const { app, ids } = await guarded(t, {}, app => { app.post('/', async request => ({ user: current.user?.login ?? null, body: request.body })) })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    const request = http.request({ port, method: 'POST', headers: { 'content-type': 'application/json', cookie: `session=${encodeURIComponent(app.signCookie('1'))}` } })
    request.flushHeaders()
    await until('the user is loaded', () => ids.length === 1)
    request.write('{"a"')
    await new Promise(resolve => setImmediate(resolve))
    request.end(':1}')
    const [answer] = await once(request, 'response')
    let text = ''
    for await (const piece of answer) text += piece
    t.same(JSON.parse(text), { user: 'ana', body: { a: 1 } })
  })

  t.test('is not loaded for a route with config: { cable: false }, nor for /cable.js', async t => {
    const { app, ids } = await guarded(t, {}, app => {
      app.get('/free', { config: { cable: false } }, async () => ({ user: current.user }))
      app.get('/', async () => ({ user: current.user?.login }))
    })
    await app.ready()
    const cookies = { session: app.signCookie('1') }
    t.same((await app.inject({ url: '/free', cookies })).json(), { user: null })
    t.equal((await app.inject({ url: '/cable.js', cookies })).statusCode, 200)
    t.same(ids, [])
    t.same((await app.inject({ url: '/', cookies })).json(), { user: 'ana' })
    t.equal((await app.inject({ url: '/no/such/page', cookies })).statusCode, 404)
  })

  t.test('whose loading fails fails the request', async t => {
    const { app } = await guarded(t, { findUser: async () => { throw new Error('no database') } }, app => {
      app.get('/', async () => 'never')
    })
    await app.ready()
    t.match((await app.inject({ url: '/', cookies: { session: app.signCookie('1') } })).json(), { statusCode: 500 })
    t.equal((await app.inject('/')).body, 'never')
  })

  t.test('of a user who is gone is null in a route', async t => {
    const { app } = await guarded(t, {}, app => { app.get('/', async () => ({ user: current.user })) })
    await app.ready()
    t.same((await app.inject({ url: '/', cookies: { session: app.signCookie('3') } })).json(), { user: null })
  })

  t.test('of a session that is a function is loaded for every request', async t => {
    const { app } = await guarded(t, { session: request => request.headers['x-user'] as string }, app => { app.get('/', async () => ({ user: current.user?.login ?? null })) })
    t.same((await app.inject({ url: '/', headers: { 'x-user': '1' } })).json(), { user: 'ana' })
    t.same((await app.inject('/')).json(), { user: null })
  })

  t.test('is what current.run() says, for an app whose own authentication knows better', async t => {
    t.equal(current.run({ login: 'eve' }, () => current.user.login), 'eve')
    t.equal(current.run({ login: 'eve' }, () => current.run(null, () => current.user)), null)
    t.equal(await current.run({ login: 'eve' }, async () => {
      await new Promise(resolve => setImmediate(resolve))
      return current.user.login
    }), 'eve')
    t.throws(() => current.run(null, () => { throw new Error('through') }), { message: 'through' })
    t.equal(current.user, null, 'and no longer than that')
    const { app } = bare(t)
    app.get('/', (request, reply) => { current.run({ login: String(request.headers['x-user']) }, async () => reply.send(current.user)) })
    t.same((await app.inject({ url: '/', headers: { 'x-user': 'eve' } })).json(), { login: 'eve' })
  })

  t.test('of a hundred users at once is never another\'s, whatever they wait for (upstream U6)', async t => {
    const wrong: any[] = []
    const pause = () => new Promise(resolve => Math.random() < 0.5 ? setImmediate(resolve) : setTimeout(resolve, Math.random() * 3))
    class MeChannel extends Channel {
      async check (expected: any) {
        for (let i = 0; i < 3; i++) {
          if (current.user.id !== expected || this.user.id !== expected) wrong.push([expected, current.user.id, this.user.id])
          await pause()
        }
        return current.user.id
      }

      subscribed () { return this.check(this.params.id) }
      unsubscribed () { return this.check(this.params.id) }
    }
    const { app } = await guarded(t, {
      channels: { MeChannel },
      findUser: async id => {
        await pause()
        return { id }
      }
    }, app => {
      app.post('/me', async request => {
        await pause()
        return { id: current.user?.id ?? null, body: request.body }
      })
    })
    await app.ready()
    await Promise.all(Array.from({ length: 100 }, async (_, n) => {
      const id = String(n)
      const ws = await connect(app, { session: id })
      await ws.subscribe('MeChannel', { id })
      const [one, two, page] = await Promise.all([
        ws.perform('MeChannel', 'check', id, { id }),
        ws.perform('MeChannel', 'check', id, { id }),
        app.inject({ method: 'POST', url: '/me', cookies: { session: app.signCookie(id) }, payload: { n } })
      ])
      for (const { data } of [one, two]) if (data !== id) wrong.push([id, data])
      if (page.json().id !== id || page.json().body.n !== n) wrong.push([id, page.json()])
      await ws.close()
    }))
    t.same(wrong, [])
  })
})

t.test('the session is not read again while the connection lives: what counts is the handshake', async t => {
  let reads = 0
  const { app } = await guarded(t, {
    session: () => {
      reads++
      return 1
    }
  })
  const ws = await connect(app)
  for (let n = 0; n < 5; n++) await ws.subscribe(who, { n })
  t.equal(reads, 1)
})

t.test('signing in as the app itself does: with the cookies of an answer', async t => {
  const { app } = await guarded(t, {}, app => {
    app.post('/login', (_request, reply) => reply.setCookie('session', '1', { signed: true, path: '/' }).send({}))
  })
  const { cookies } = await app.inject({ method: 'POST', url: '/login' })
  const ws = await connect(app, { cookies })
  await ws.subscribe(who)
  t.match(await ws.perform(who, 'who'), ana)
})

t.test('a session that ends by itself closes its connections then: reauthorize, code 4000', async t => {
  for (const expiresAt of [Date.now() + 5000, new Date(Date.now() + 5000)]) {
    const { app } = await guarded(t, { session: { cookie: 'session', userId: () => ({ userId: 1, expiresAt }) } })
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() })
    t.teardown(() => mock.timers.reset())
    const ws = await connect(app, { session: 'x', protocols: 'channels-v1', timeout: 100_000 })
    t.match(await ws.subscribe(who), { type: 'confirm_subscription' })
    mock.timers.tick(4000)
    t.match(await ws.perform(who, 'who'), ana)
    mock.timers.tick(1001)
    t.same(await ws.closed, { code: 4000, reason: 'session_expired' })
    t.same(ws.frames, [{ type: 'disconnect', reason: 'session_expired', reconnect: true }])
    mock.timers.reset()
  }
})

t.test('a session that has ended already is closed at once; one that ends in a year, or whose connection is gone, bothers nobody', async t => {
  let expiresAt: any = Date.now() - 1000
  const { app } = await guarded(t, { session: { cookie: 'session', userId: () => ({ userId: 1, expiresAt }) } })
  const late = await connect(app, { session: 'x' })
  t.same(await late.closed, { code: 4000, reason: 'session_expired' })
  for (expiresAt of [Date.now() + 365 * 86_400_000, null, undefined]) {
    const ws = await connect(app, { session: 'x' })
    await ws.subscribe(who)
    t.match(await ws.perform(who, 'who'), ana)
    await ws.close()
  }
})

t.test('session.check is asked once a minute about all open sessions together; those it does not name are closed: 4501', async t => {
  const asked = new Journal<any>()
  let valid: () => any = () => ['one', 'two']
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { app, log } = await guarded(t, {
    session: {
      cookie: 'session',
      userId: value => ({ userId: 1, id: value }),
      check: ids => {
        asked.put([...ids].sort())
        return valid()
      }
    }
  })
  await app.ready()
  // Second by second, so that everybody can answer the heartbeat.
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      mock.timers.tick(1000)
      await until('all have answered', () => [...app[kConnections]].every(({ missed, isClosed }) => missed === 0 || isClosed))
    }
  }
  await pass(60)
  t.same(asked.all, [], 'nobody is there, nobody is asked')
  const [one, again, two, visitor] = [await connect(app, { session: 'one' }), await connect(app, { session: 'one', protocols: 'channels-v1' }), await connect(app, { session: 'two' }), await connect(app)]
  await pass(60)
  t.same(await asked.next(), ['one', 'two'], 'each session once')
  for (const ws of [one, again, two, visitor]) await fence(t, ws, 'all are valid')

  valid = async () => new Set(['two'])
  await pass(60)
  await asked.next()
  t.same(await one.closed, { code: 4501, reason: 'logged_out' })
  t.same(await again.closed, { code: 4501, reason: 'logged_out' })
  t.same(again.frames, [{ type: 'disconnect', reason: 'logged_out', reconnect: false }])
  for (const ws of [two, visitor]) await fence(t, ws, 'the others stay')

  for (valid of [async () => { throw new Error('no store') }, () => { throw new Error('no store') }, () => null, () => {}, () => 'two', () => ({})]) {
    log.length = 0
    await pass(60)
    t.same(await asked.next(), ['two'])
    await until('it is logged', () => errors(log).length > 0)
    t.match(errors(log), [{ msg: 'open sessions could not be checked' }])
    await fence(t, two, 'a store that is away throws nobody out')
  }
  await app.close()
  mock.timers.tick(60_000)
  t.equal(asked.all.length, 8, 'and a closed app asks nothing')
})
