// How an app gets its channels and its cable, and what it is told at boot when something cannot work (guide §2, §3; DESIGN §2).
import { spawnSync } from 'node:child_process'
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import channels, { Channel, websocketOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { bare, errors, fence, Journal, secret, setting } from './setting.ts'

class ChatChannel extends Channel {
  who () { return this.channelName }
}

t.test('a channel is called by its key, else its channelName, else the name of its class', async t => {
  class NamedChannel extends Channel {
    static channelName = 'named'
    who () { return this.channelName }
  }
  const { app } = await setting(t, { channels: { ChatChannel, 'by-key': NamedChannel } }, app => {
    app.channel(NamedChannel)
    app.channel(NamedChannel, { name: 'by-option' })
    app.channel(class PlainChannel extends ChatChannel {})
  })
  const ws = await connect(app)
  for (const name of ['ChatChannel', 'by-key', 'named', 'by-option', 'PlainChannel']) {
    t.match(await ws.subscribe(name), { type: 'confirm_subscription', channel: name })
    t.match(await ws.perform(name, 'who'), { data: name }, 'and its frames carry the name it was subscribed by (upstream U2)')
  }
  t.match(await ws.subscribe('NamedChannel'), { reason: 'unknown_channel' })
})

t.test('app.channel() can be chained, before and after others', async t => {
  const { app } = await setting(t, {}, app => {
    t.equal(app.channel(ChatChannel).channel(ChatChannel, { name: 'again' }), app)
  })
  const ws = await connect(app)
  t.match(await ws.subscribe('again'), { type: 'confirm_subscription' })
})

t.test('a name registered twice is an error at boot, in whichever contexts', async t => {
  await t.rejects(setting(t, { channels: { ChatChannel } }, app => { app.channel(ChatChannel) }), { code: 'FST_CHANNELS_DUPLICATE_CHANNEL', message: 'a channel called "ChatChannel" is registered already; give one of them another name' })
  const { app } = bare(t)
  await app.register(channels)
  app.register(async app => { app.channel(ChatChannel) })
  app.register(async app => { app.channel(ChatChannel) })
  await t.rejects(async () => await app.ready(), { code: 'FST_CHANNELS_DUPLICATE_CHANNEL' })
})

t.test('what is no channel is an error at boot that names it', async t => {
  for (const Class of [
    class NotAChannel {}, () => {}, function notAChannel () {}, 'ChatChannel', undefined, null, {}, Channel, Channel.prototype
  ]) {
    await t.rejects(setting(t, { channels: { X: Class as any } }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: 'channel "X" is no class that extends Channel' }, String(Class).slice(0, 30))
  }
  await t.rejects(setting(t, {}, app => { app.channel(undefined as any) }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: 'channel "undefined" is no class that extends Channel' })
  for (const Class of [class extends Channel {}, Object.assign(class extends Channel {}, { channelName: 1 as any })]) {
    await t.rejects(setting(t, {}, app => { app.channel(Class) }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: /^channel "1?" needs a name: the key under which it is registered, or `static channelName`$/ })
  }
})

t.test('static actions that name no public method are an error at boot', async t => {
  const declares = (actions: any, more: object = {}) => Object.assign(class extends Channel { speak () {} get secret () { return () => {} } }, { actions, ...more })
  for (const [actions, message] of [
    [{ speek: true }, 'declares the action "speek" but has no public method of that name'],
    [{ secret: true }, 'declares the action "secret" but has no public method of that name'],
    [{ toString: true }, 'declares the action "toString" but has no public method of that name'],
    [{ send: true }, 'declares the action "send", a name that no action can have'],
    [{ subscribed: true }, 'declares the action "subscribed", a name that no action can have'],
    [{ _speak: true }, 'declares the action "_speak", a name that no action can have'],
    [{ constructor: true }, 'declares the action "constructor", a name that no action can have']
  ] as const) await t.rejects(setting(t, { channels: { X: declares(actions) } }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: `channel "X" ${message}` })
})

t.test('an action declared false is not callable', async t => {
  class HalfChannel extends ChatChannel {
    static actions = { who: true, hidden: false, gone: false } as const
    hidden () {}
  }
  const { app } = await setting(t, { channels: { HalfChannel } })
  const ws = await connect(app)
  await ws.subscribe('HalfChannel')
  t.match(await ws.perform('HalfChannel', 'who'), { status: 'ok' })
  t.match(await ws.perform('HalfChannel', 'hidden'), { reason: 'unknown_action' })
})

t.test("actions: 'declared' refuses classes without static actions", async t => {
  await t.rejects(setting(t, { actions: 'declared', channels: { ChatChannel } }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: "channel \"ChatChannel\" has no `static actions`, and the option actions: 'declared' asks for it" })
  const { app } = await setting(t, { actions: 'declared' }, app => { app.channel(class DeclaredChannel extends ChatChannel { static actions = { who: true } as const }) })
  const ws = await connect(app)
  await ws.subscribe('DeclaredChannel')
  t.match(await ws.perform('DeclaredChannel', 'who'), { data: 'DeclaredChannel' })
})

t.test('a schema that does not compile is an error at boot that says where', async t => {
  const bad = { type: 'nonsense' }
  for (const [statics, where] of [[{ params: bad }, 'params'], [{ actions: { who: { data: bad } } }, 'who.data'], [{ actions: { who: { reply: bad } } }, 'who.reply']] as const) {
    const { app } = await setting(t, { channels: { X: Object.assign(class extends ChatChannel {}, statics) as any } })
    await t.rejects(async () => await app.ready(), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: new RegExp(`^channel "X" has a schema for ${where} that does not compile: `) })
  }
})

t.test('a channel of an encapsulated context', async t => {
  t.test('has that context\'s decorators as this.app, and not the others\'', async t => {
    const app = bare(t).app as FastifyInstance & { [name: string]: any }
    await app.register(channels)
    const see = (name: string) => class extends Channel { look () { return [(this.app as any).tenant, (this.app as any).onlyB ?? null, name] } }
    app.register(async app => {
      app.decorate('tenant', 'a')
      app.channel(see('a'), { name: 'A' })
    })
    app.register(async app => {
      app.decorate('tenant', 'b')
      app.decorate('onlyB', true)
      app.channel(see('b'), { name: 'B' })
    }, { prefix: '/b' })
    const ws = await connect(app)
    await ws.subscribe('A')
    await ws.subscribe('B')
    t.match(await ws.perform('A', 'look'), { data: ['a', null, 'a'] })
    t.match(await ws.perform('B', 'look'), { data: ['b', true, 'b'] })
  })

  t.test('has that context\'s schemas: $ref works as in routes, also in a context without a route', async t => {
    const { app } = bare(t)
    await app.register(channels)
    for (const [name, type] of [['Numbers', 'integer'], ['Texts', 'string']] as const) {
      app.register(async app => {
        app.addSchema({ $id: 'item', type })
        app.channel(Object.assign(class extends Channel {
          take (data: any) { return data }
        }, { params: { type: 'object', properties: { of: { $ref: 'item#' } } }, actions: { take: { data: { type: 'object', properties: { item: { $ref: 'item#' } } } } } }), { name })
      })
    }
    const ws = await connect(app)
    t.match(await ws.subscribe('Numbers', { of: 1 }), { type: 'confirm_subscription' })
    t.match(await ws.subscribe('Numbers', { of: 'x' }), { reason: 'invalid_params' })
    t.match(await ws.subscribe('Texts', { of: 'x' }), { type: 'confirm_subscription' })
    t.match(await ws.subscribe('Texts', { of: 1 }), { reason: 'invalid_params' })
    t.match(await ws.perform('Numbers', 'take', { item: 1 }, { of: 1 }), { data: { item: 1 } })
    t.match(await ws.perform('Texts', 'take', { item: 1 }, { of: 'x' }), { reason: 'invalid_data' })
    for (const url of ['/cable/schemas', '/cable/schemas/1']) t.equal((await app.inject(url)).statusCode, 404, 'what makes this work is no page')
  })

  t.test('has that context\'s validator compiler', async t => {
    const { app, log } = bare(t)
    await app.register(channels)
    app.register(async app => {
      app.setValidatorCompiler(({ schema }: any): any => (data: any) => {
        try {
          return { value: schema(data) }
        } catch (error) {
          return { error }
        }
      })
      const pass = (check: (data: any) => unknown) => (data: any) => {
        if (!check(data)) throw new Error('refused')
        return { ...data, checked: true }
      }
      app.channel(class CheckedChannel extends Channel {
        static params = pass(({ room }) => room === 'a')
        static actions = { take: { data: pass(({ ok }) => ok), reply: pass(({ ok }) => ok) }, wrong: { reply: pass(() => false) } }
        take (data: any) { return { ok: data.checked, params: this.params } }
        wrong () { return {} }
      })
    })
    const ws = await connect(app)
    t.match(await ws.subscribe('CheckedChannel', { room: 'b' }), { reason: 'invalid_params' })
    t.match(await ws.subscribe('CheckedChannel', { room: 'a' }), { type: 'confirm_subscription' })
    t.match(await ws.perform('CheckedChannel', 'take', { ok: false }, { room: 'a' }), { reason: 'invalid_data' })
    t.same((await ws.perform('CheckedChannel', 'take', { ok: true }, { room: 'a' })).data, { ok: true, params: { room: 'a', checked: true }, checked: true })
    t.match(await ws.perform('CheckedChannel', 'wrong', {}, { room: 'a' }), { reason: 'error' })
    t.equal(errors(log).length, 1)
  })

  t.test('does not run that context\'s HTTP hooks for its commands', async t => {
    const hooks: string[] = []
    const { app } = bare(t)
    await app.register(channels)
    app.register(async app => {
      for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'onSend', 'onResponse'] as const) app.addHook(hook, async () => { hooks.push(hook) })
      app.channel(ChatChannel)
    })
    const ws = await connect(app)
    await ws.subscribe('ChatChannel')
    await ws.perform('ChatChannel', 'who')
    t.same(hooks, [])
  })

  t.test('stands in hooks of the root, which run once for the handshake', async t => {
    const hooks: string[] = []
    const { app } = bare(t)
    app.addHook('onRequest', async request => { hooks.push(request.url) })
    await app.register(channels, { channels: { ChatChannel } })
    const ws = await connect(app)
    await ws.subscribe('ChatChannel')
    t.same(hooks, ['/cable'])
  })
})

t.test('at boot one line per channel lists what clients may call', async t => {
  const { app, log } = await setting(t, { channels: { ChatChannel, QuietChannel: class extends Channel {} } })
  await app.ready()
  t.match(log.filter(({ level, channel }) => level === 30 && channel !== undefined), [
    { msg: 'channel ChatChannel: actions who', channel: 'ChatChannel', actions: ['who'] },
    { msg: 'channel QuietChannel: no actions', channel: 'QuietChannel', actions: [] }
  ])
})

t.test('a wrong option is an error at boot that says what to write', async t => {
  const session = { cookie: 'session' }
  const findUser = () => null
  for (const [options, message] of [
    [{ chanels: {} }, 'there is no option "chanels"; there are path, channels'],
    [{ path: 'cable' }, "path is where the socket is, like '/cable'"],
    [{ path: '/ca ble' }, 'path is'], [{ path: '/cable/:id' }, 'path is'], [{ path: '/cable/*' }, 'path is'], [{ path: '/cable?x' }, 'path is'], [{ path: 1 }, 'path is'],
    [{ client: 'cable.js' }, "client is the path of the browser client, like '/cable.js', or false"],
    [{ client: true }, 'client is'],
    [{ actions: 'some' }, "actions is 'public' or 'declared'"],
    [{ session: 'session', findUser }, 'session is { cookie, userId } or a function of the request'],
    [{ session: null, findUser }, 'session is'], [{ session: { cookie: 1 }, findUser }, 'session is'],
    [{ session: { cookie: '' }, findUser, cookie: { secret } }, "session.cookie is the name of the session's cookie"],
    [{ session }, 'session says who is there, so findUser: id => user is needed as well'],
    [{ session, findUser: {} }, 'session says who is there'],
    [{ findUser }, 'findUser is never asked without session'],
    [{ session, findUser }, 'session.cookie needs @fastify/cookie: register it before fastify-channels, or pass cookie: { secret }'],
    [{ session, findUser, cookie: {} }, 'session.cookie is a signed cookie, so @fastify/cookie needs a secret'],
    [{ channels: false }, 'channels is an object: { ChatChannel }'],
    [{ channels: null }, 'channels is an object'], [{ channels: 'ChatChannel' }, 'channels is an object'],
    [{ cable: {} }, 'cable is a backend, like redisCable'], [{ cable: null }, 'cable is a backend'], [{ cable: 'redis' }, 'cable is a backend'],
    [{ limits: { maxPayloads: 1 } }, 'limits.maxPayloads is no limit; there are '],
    [{ limits: { maxPayload: 0 } }, 'limits.maxPayload is a number from 1, or false for none'],
    [{ limits: { maxPayload: '1' } }, 'limits.maxPayload is'], [{ limits: { maxPayload: NaN } }, 'limits.maxPayload is'], [{ limits: { maxPayload: true } }, 'limits.maxPayload is'],
    [{ limits: { constructor: 1 } }, 'limits.constructor is no limit'],
    [{ limits: { endTimeout: 2 ** 31 } }, 'limits.endTimeout is at most 2147483647 milliseconds (24 days), or false for none'],
    [{ origin: '' }, 'origin is a string like'], [{ origin: [1] }, 'origin is a string like'], [{ origin: { allow: [null] } }, 'origin is a string like'],
    [{ origin: 'https://app.example/path' }, 'origin "https://app.example/path" is no origin; one looks like https://app.example'],
    [{ origin: 'ftp://app.example' }, 'origin "ftp://app.example" is no origin']
  ] as const) {
    await t.rejects(setting(t, options as any), { code: 'FST_CHANNELS_INVALID_OPTION', message: new RegExp(`^fastify-channels: ${message.replace(/[.{}/()?]/g, '\\$&')}`) }, JSON.stringify(options))
  }
})

t.test('@fastify/cookie', async t => {
  const options = { session: { cookie: 'session' }, findUser: (id: string) => ({ id }), channels: { MeChannel: class extends Channel { me () { return this.user?.id ?? null } } } }
  const signedIn = async (t: any, app: FastifyInstance) => {
    const ws = await connect(app, { session: 'ana' })
    await ws.subscribe('MeChannel')
    t.match(await ws.perform('MeChannel', 'me'), { data: 'ana' })
  }

  t.test('may be the app\'s own, registered before', async t => {
    const { app } = bare(t)
    await app.register(cookie, { secret })
    await app.register(channels, options)
    await signedIn(t, app)
  })

  t.test('is registered by the plugin where it gets a secret', async t => {
    const { app } = await setting(t, { ...options, cookie: { secret } })
    app.get('/', (request, reply) => reply.send(request.cookies))
    t.same((await app.inject({ url: '/', cookies: { a: '1' } })).json(), { a: '1' })
    await signedIn(t, app)
  })

  t.test('is not both', async t => {
    const { app } = bare(t)
    await app.register(cookie, { secret })
    await t.rejects(async () => await app.register(channels, { ...options, cookie: { secret } }), { code: 'FST_CHANNELS_INVALID_OPTION', message: /this app registered it already: leave the option out/ })
  })

  t.test('needs no secret where the app verifies its cookie itself', async t => {
    const { app } = bare(t)
    await app.register(cookie)
    await app.register(channels, { ...options, session: { cookie: 'session', unsign: value => value === 'token-of-ana' ? 'ana' : null } })
    const ws = await connect(app, { cookies: { session: 'token-of-ana' } })
    await ws.subscribe('MeChannel')
    t.match(await ws.perform('MeChannel', 'me'), { data: 'ana' })
    const stranger = await connect(app, { cookies: { session: 'ana' } })
    await stranger.subscribe('MeChannel')
    t.match(await stranger.perform('MeChannel', 'me'), { data: null })
  })

  t.test('is not needed for a session that is a function, nor without one', async t => {
    const { app } = await setting(t, { ...options, session: request => request.headers['x-user'] as string })
    const ws = await connect(app, { headers: { 'x-user': 'ana' } })
    await ws.subscribe('MeChannel')
    t.match(await ws.perform('MeChannel', 'me'), { data: 'ana' })
    t.equal(app.hasRequestDecorator('cookies'), false)
  })
})

t.test('@fastify/websocket', async t => {
  t.test('is registered by the plugin, and the app\'s own routes may use it', async t => {
    const { app } = await setting(t, { channels: { ChatChannel } })
    app.register(async app => {
      app.get('/echo', { websocket: true }, socket => { socket.on('message', data => socket.send(String(data))) })
    })
    await app.ready()
    const echo = await app.injectWS('/echo')
    const answer = new Promise(resolve => echo.once('message', data => resolve(String(data))))
    echo.send('hi')
    t.equal(await answer, 'hi')
    echo.terminate()
  })

  t.test('may be the app\'s own, with websocketOptions()', async t => {
    const { app } = bare(t)
    await app.register(websocket, websocketOptions({ maxPayload: 1000 }))
    await app.register(channels, { channels: { ChatChannel } })
    const ws = await connect(app)
    t.match(await ws.subscribe('ChatChannel'), { type: 'confirm_subscription' })
    t.equal((app.websocketServer.options as any).maxPayload, 1000)
  })

  t.test('with other options is an error with the line to write', async t => {
    for (const options of [{}, { options: { maxPayload: 1000 } }]) {
      const { app } = bare(t)
      await app.register(websocket, options)
      await t.rejects(async () => await app.register(channels), { code: 'FST_CHANNELS_FOREIGN_WEBSOCKET', message: /Register channels first, or write: await app\.register\(websocket, websocketOptions\(\)\)/ })
    }
  })

  t.test('takes messages of any size only where the app says so', async t => {
    t.equal(websocketOptions().options!.maxPayload, 65536)
    t.equal(websocketOptions({ maxPayload: false }).options!.maxPayload, 0)
    t.throws(() => websocketOptions({ nonsense: 1 } as any), { code: 'FST_CHANNELS_INVALID_OPTION' })
  })
})

t.test('the plugin is one per app', async t => {
  const { app } = await setting(t)
  await t.rejects(async () => await app.register(channels), { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})

t.test('option path moves the socket (guide §12: CABLE_PATH)', async t => {
  const { app } = await setting(t, { path: '/live/cable', channels: { ChatChannel } })
  const ws = await connect(app)
  t.match(await ws.subscribe('ChatChannel'), { type: 'confirm_subscription' })
  await t.rejects(app.injectWS('/cable', { headers: { host: 'localhost' } }), /404/)
})

t.test('register\'s prefix does not move the socket, and is no unknown option', async t => {
  const { app } = bare(t)
  await app.register(channels, { prefix: '/api', logLevel: 'info' } as any)
  t.equal((await app.inject('/cable')).statusCode, 426)
})

t.test('the built plugin can be required', async t => {
  const script = `
    const channels = require('fastify-channels')
    const { Channel, current, ActionError, websocketOptions } = channels
    const testing = require('fastify-channels/testing')
    const app = require('fastify')()
    class ChatChannel extends Channel { hi () { return 'hi' } }
    app.register(channels, { channels: { ChatChannel } })
    testing.connect(app).then(async ws => {
      await ws.subscribe('ChatChannel')
      console.log(JSON.stringify([typeof channels, typeof channels.default, typeof ActionError, typeof current, typeof websocketOptions, (await ws.perform('ChatChannel', 'hi')).data]))
      await ws.close()
      await app.close()
    })`
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=commonjs', '-e', script], { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  t.equal(stdout, '["function","function","function","object","function","hi"]\n', stderr)
})

t.test('a cluster worker with the in-process cable is warned; one with a backend is not', async t => {
  const isWorker = Object.getOwnPropertyDescriptor(cluster, 'isWorker')!
  Object.defineProperty(cluster, 'isWorker', { value: true, configurable: true, writable: true })
  t.teardown(() => Object.defineProperty(cluster, 'isWorker', isWorker))
  const { log } = await setting(t)
  t.match(log.filter(({ level }) => level === 40), [{ msg: /in a cluster worker with its in-process cable: broadcasts will not reach the other workers/ }])
  const { log: quiet } = await setting(t, { cable: backend() as any })
  t.same(quiet.filter(({ level }) => level === 40), [])
})

t.test('a backend that cannot open stops the boot, and is closed with the app', async t => {
  const closed = new Journal<string>()
  await t.rejects(setting(t, { cable: { ...backend(), open: async () => { throw new Error('no redis') } } as any }), { message: 'no redis' })
  const app = Fastify()
  await app.register(channels, { cable: { ...backend(), close: async () => closed.put('closed') } as any })
  await app.ready()
  await app.close()
  t.equal(await closed.next(), 'closed')
})

t.test('nothing is subscribed to before the app is ready, and everything after', async t => {
  const { app } = await setting(t, { channels: { ChatChannel } })
  const ws = await connect(app)
  await ws.subscribe('ChatChannel')
  await fence(t, ws, 'confirmed once')
})

function backend () {
  return { open () {}, publish: () => null, listen: () => null, unlisten () {}, position: (streams: string[]) => streams.map(() => null), replay: () => null, control () {}, health: () => ({ ok: true }), close () {} }
}
