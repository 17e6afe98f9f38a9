// Broadcasting from anywhere: app.cable, reply.cable bound to one answer, and sending users away (guide §7.2; DESIGN §2).
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Channel, current } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import type { TestConnection } from 'fastify-channels/testing'
import t from 'tap'
import { InProcessBackend } from '../src/in-process.ts'
import { errors, fence, gate, Journal, secret, setting } from './setting.ts'

class RoomChannel extends Channel {
  subscribed () { this.streamFrom('room') }
}
const channels = { RoomChannel }
const ROOM = 'RoomChannel'

async function room (t: any, prepare?: (app: FastifyInstance) => unknown, options: object = {}): Promise<{ app: FastifyInstance, log: any[], ws: TestConnection }> {
  const setup = await setting(t, { channels, ...options }, prepare)
  const ws = await connect(setup.app)
  await ws.subscribe(ROOM)
  return { ...setup, ws }
}

t.test('app.cable.broadcast()', async t => {
  t.test('speaks from a route, a timer, a hook: from any code with the app in hand (guide §7.2)', async t => {
    const { app, ws } = await room(t, app => {
      app.post('/messages', async () => {
        await app.cable.broadcast('room', 'from a route')
        return {}
      })
      app.register(async app => {
        app.get('/inner', async () => {
          app.cable.broadcast('room', 'from another context')
          return {}
        })
      })
    })
    await app.inject({ method: 'POST', url: '/messages' })
    t.match(await ws.receive(), { data: 'from a route' })
    await app.inject('/inner')
    t.match(await ws.receive(), { data: 'from another context' })
    setTimeout(() => { app.cable.broadcast('room', 'from a task') }, 1)
    t.match(await ws.receive(), { data: 'from a task' })
  })

  t.test('to a stream nobody listens to is heard by nobody, and no error', async t => {
    const { app, ws } = await room(t)
    t.equal(await app.cable.broadcast('a typo', 1), undefined)
    await fence(t, ws, 'silence')
  })

  t.test('rejects for what it cannot carry, and is never an unhandled rejection', async t => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => { unhandled.push(error) }
    process.on('unhandledRejection', note)
    t.teardown(() => process.off('unhandledRejection', note))
    const { app, log } = await room(t)
    app.cable.broadcast('room', 1n)
    app.cable.broadcast(undefined as any, 1)
    app.cable.broadcast('', 1)
    app.cable.broadcast(Symbol('x') as any, 1)
    await t.rejects(app.cable.broadcast('room', 1n), { code: 'FST_CHANNELS_INVALID_PAYLOAD', message: /this data cannot be sent as JSON: .*BigInt/ })
    await t.rejects(app.cable.broadcast('room', () => {}), { code: 'FST_CHANNELS_INVALID_PAYLOAD', message: 'this data cannot be sent as JSON: it is a function' })
    await t.rejects(app.cable.broadcast('', 1), { code: 'FST_CHANNELS_INVALID_STREAM', message: 'a stream is named by a well-formed string of 1 to 512 bytes, not by ""' })
    await t.rejects(app.cable.broadcast(null as any, 1), { code: 'FST_CHANNELS_INVALID_STREAM', message: /not by null$/ })
    await app.close()
    await t.rejects(app.cable.broadcast('room', 1), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE', message: 'the cable is not available: it is closed' })
    app.cable.broadcast('room', 1)
    await new Promise(resolve => setImmediate(resolve))
    t.same(unhandled, [])
    t.equal(errors(log).length, 10, 'each is logged')
    t.match(errors(log)[0], { stream: 'room', msg: 'a broadcast failed' })
  })

  t.test('settles when the cable has taken it', async t => {
    class SlowBackend extends InProcessBackend {
      readonly waits = gate()
      constructor () { super(1024) }
      override publish (...args: Parameters<InProcessBackend['publish']>): any {
        return this.waits.then(() => super.publish(...args))
      }
    }
    const cable = new SlowBackend()
    const { app, ws } = await room(t, undefined, { cable })
    let taken = false
    const broadcast = app.cable.broadcast('room', 1).then(() => { taken = true })
    await fence(t, ws, 'not yet')
    t.equal(taken, false)
    cable.waits.open()
    await broadcast
    t.match(await ws.receive(), { data: 1 })
  })

  t.test('carries what the data was when it was said', async t => {
    const { app, ws } = await room(t)
    const data = { n: 1 }
    const said = app.cable.broadcast('room', data)
    data.n = 2
    await said
    t.match(await ws.receive(), { data: { n: 1 } })
  })

  t.test('is the cable\'s health as long as it is open', async t => {
    const { app } = await room(t)
    t.match(app.cable.health(), { ok: true })
    await app.close()
    t.match(app.cable.health(), { ok: false })
  })
})

t.test('reply.cable.broadcast()', async t => {
  t.test('leaves before the answer: the page after a redirect stands after it', async t => {
    const order = new Journal<string>()
    const { app, ws } = await room(t, app => {
      app.post('/messages', async (_request, reply) => {
        reply.cable.broadcast('room', 1)
        reply.cable.broadcast('room', 2)
        order.put('handler')
        return reply.redirect('/')
      })
      app.addHook('onResponse', async () => { order.put('answered') })
    })
    const backend = app.cable.publish.bind(app.cable)
    app.cable.publish = async (...args) => {
      order.put(`publish ${args[1]}`)
      await new Promise(resolve => setImmediate(resolve))
      await backend(...args)
      order.put(`published ${args[1]}`)
    }
    t.equal((await app.inject({ method: 'POST', url: '/messages' })).statusCode, 302)
    t.same(order.all, ['handler', 'publish 1', 'publish 2', 'published 1', 'published 2', 'answered'])
    t.match(await ws.receive(), { data: 1 })
    t.match(await ws.receive(), { data: 2 })
  })

  t.test('carries what the data was when it was said', async t => {
    const { app, ws } = await room(t, app => {
      app.get('/', async (_request, reply) => {
        const data = { n: 1 }
        reply.cable.broadcast('room', data)
        data.n = 2
        return data
      })
    })
    t.same((await app.inject('/')).json(), { n: 2 })
    t.match(await ws.receive(), { data: { n: 1 } })
  })

  t.test('of a route that throws is dropped, whoever handles the error', async t => {
    for (const status of [500, 422, 200]) {
      const { app, ws } = await room(t, app => {
        if (status !== 500) app.setErrorHandler((_error, _request, reply) => reply.code(status).send({ handled: true }))
        app.post('/throws', async (_request, reply) => {
          reply.cable.broadcast('room', 'not true')
          await new Promise(resolve => setImmediate(resolve))
          reply.cable.broadcast('room', 'not true either')
          throw new Error('no database')
        })
        app.post('/sends', (_request, reply) => {
          reply.cable.broadcast('room', 'not true')
          reply.send(new Error('no database'))
          reply.cable.broadcast('room', 'said too late')
        })
      })
      for (const url of ['/throws', '/sends']) t.equal((await app.inject({ method: 'POST', url })).statusCode, status)
      await fence(t, ws, `answered ${status}: silence`)
    }
  })

  t.test('of an answer of 500 or more is dropped; of 4xx it leaves', async t => {
    const { app, ws } = await room(t, app => {
      app.get('/:status', async (request, reply) => {
        const { status } = request.params as { status: string }
        reply.cable.broadcast('room', status)
        return reply.code(Number(status)).send('')
      })
    })
    for (const status of [500, 503, 599]) await app.inject(`/${status}`)
    await fence(t, ws, 'silence')
    for (const status of [200, 204, 302, 404, 422]) {
      await app.inject(`/${status}`)
      t.match(await ws.receive(), { data: String(status) })
    }
  })

  t.test('of a hook that turns the request away is bound to that answer too', async t => {
    const { app, ws } = await room(t, app => {
      app.addHook('preHandler', async (request, reply) => {
        reply.cable.broadcast('room', request.url)
        if (request.url === '/away') return reply.code(403).send('no')
        if (request.url === '/boom') throw new Error('boom')
      })
      for (const url of ['/away', '/boom', '/in']) app.get(url, async () => 'ok')
    })
    await app.inject('/boom')
    await app.inject('/away')
    t.match(await ws.receive(), { data: '/away' })
    await app.inject('/in')
    t.match(await ws.receive(), { data: '/in' })
  })

  t.test('that cannot be carried throws where it is said', async t => {
    const { app, ws } = await room(t, app => {
      app.get('/', async (_request, reply) => {
        reply.cable.broadcast('room', 'before')
        const codes = []
        for (const say of [() => reply.cable.broadcast('', 1), () => reply.cable.broadcast('room', 1n), () => reply.cable.broadcast(1 as any)]) {
          try { say() } catch (error) { codes.push((error as any).code) }
        }
        return codes
      })
    })
    t.same((await app.inject('/')).json(), ['FST_CHANNELS_INVALID_STREAM', 'FST_CHANNELS_INVALID_PAYLOAD', 'FST_CHANNELS_INVALID_STREAM'])
    t.match(await ws.receive(), { data: 'before' })
    await fence(t, ws, 'and no more')
  })

  t.test('after the answer was sent leaves at once', async t => {
    const said = gate()
    const { app, ws } = await room(t, app => {
      app.get('/', async (_request, reply) => {
        reply.cable.broadcast('room', 'before')
        reply.send('ok')
        setImmediate(() => {
          reply.cable.broadcast('room', 'after')
          said.open()
        })
        return reply
      })
      app.get('/first', async (_request, reply) => {
        reply.send('ok')
        await new Promise(resolve => setImmediate(resolve))
        reply.cable.broadcast('room', 'for the first time')
        return reply
      })
    })
    await app.inject('/')
    await said
    t.match(await ws.receive(), { data: 'before' })
    t.match(await ws.receive(), { data: 'after' })
    await app.inject('/first')
    t.match(await ws.receive(), { data: 'for the first time' })
  })

  t.test('of a hijacked answer leaves when the raw response ends', async t => {
    const { app, ws } = await room(t, app => {
      app.get('/', (_request, reply) => {
        reply.hijack()
        reply.cable.broadcast('room', 'hijacked')
        setImmediate(() => reply.raw.end('raw'))
      })
    })
    t.equal((await app.inject('/')).body, 'raw')
    t.match(await ws.receive(), { data: 'hijacked' })
    await fence(t, ws, 'once')
  })

  t.test('of an answer that is a stream leaves before the stream', async t => {
    const body = new PassThrough()
    const { app, ws } = await room(t, app => {
      app.get('/', async (_request, reply) => {
        reply.cable.broadcast('room', 'streamed')
        return reply.send(body)
      })
    })
    const answer = app.inject('/')
    t.match(await ws.receive(), { data: 'streamed' })
    body.end('the end')
    t.equal((await answer).body, 'the end')
  })

  t.test('reaches the room when the client goes away in the middle of the request', async t => {
    const begun = gate()
    const aborted = gate()
    const { app, ws } = await room(t, app => {
      app.post('/messages', async (request, reply) => {
        request.raw.socket.once('close', () => aborted.open())
        reply.cable.broadcast('room', 'saved')
        begun.open()
        await aborted
        reply.cable.broadcast('room', 'saved too')
        return {}
      })
      app.post('/fails', async (request, reply) => {
        reply.cable.broadcast('room', 'not saved')
        throw new Error('no database')
      })
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = dial((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}')
    await begun
    socket.destroy()
    t.match(await ws.receive(), { data: 'saved' })
    t.match(await ws.receive(), { data: 'saved too' })
    const other = dial((app.server.address() as AddressInfo).port, '127.0.0.1')
    other.end('POST /fails HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    other.resume()
    await once(other, 'close')
    await fence(t, ws, 'a handler that throws is not heard')
  })

  t.test('of a cable that fails is logged, and does not fail the answer', async t => {
    const { app, log } = await room(t, app => {
      app.get('/', async (_request, reply) => {
        reply.cable.broadcast('room', 1)
        return 'answered'
      })
    })
    app.cable.publish = async () => { throw new Error('no redis') }
    t.equal((await app.inject('/')).body, 'answered')
    t.match(errors(log), [{ err: { message: 'no redis' }, stream: 'room', msg: 'a broadcast failed' }])
  })

  t.test('toOthers() spares the page that sent the request, by its header x-cable-id', async t => {
    const { app } = await room(t, app => {
      app.post('/', async (_request, reply) => {
        reply.cable.toOthers().broadcast('room', 'to others')
        reply.cable.broadcast('room', 'to all')
        return {}
      })
    })
    const [mine, other] = await Promise.all([connect(app, { protocols: 'channels-v1' }), connect(app, { protocols: 'channels-v1' })])
    for (const [ws, tab] of [[mine, 'my tab'], [other, 'another']] as const) {
      ws.send({ command: 'subscribe', channel: ROOM, params: {}, tab })
      await ws.receive()
    }
    await app.inject({ method: 'POST', url: '/', headers: { 'x-cable-id': 'my tab' } })
    const { data, ...stamp } = await mine.receive() as any
    t.match(stamp, { type: 'broadcast', stream: 'room' })
    t.equal(data, undefined, 'only the position moves')
    t.match(await mine.receive(), { data: 'to all' })
    t.match(await other.receive(), { data: 'to others' })
    t.match(await other.receive(), { data: 'to all' })
    await app.inject({ method: 'POST', url: '/', headers: { 'x-cable-id': '' } })
    t.match(await mine.receive(), { data: 'to others' }, 'a page that says nothing is spared nothing')
  })

  t.test('is one per answer, and costs nothing to who does not use it', async t => {
    const { app } = await room(t, app => {
      app.get('/', async (_request, reply) => reply.cable === reply.cable) // eslint-disable-line no-self-compare
      app.get('/none', async () => 'none')
    })
    t.equal((await app.inject('/')).json(), true)
    t.equal((await app.inject('/none')).body, 'none')
  })

  t.test('a wrong address, a schema that refuses, a body that is no JSON: nothing of it disturbs', async t => {
    const { app, ws } = await room(t, app => {
      app.setNotFoundHandler((request, reply) => {
        reply.cable.broadcast('room', request.url)
        reply.code(404).send('no')
      })
      app.post('/', { schema: { body: { type: 'object' } } }, async () => 'never')
    })
    t.equal((await app.inject('/lost')).statusCode, 404)
    t.match(await ws.receive(), { data: '/lost' })
    t.equal((await app.inject({ method: 'POST', url: '/', payload: '{{', headers: { 'content-type': 'application/json' } })).statusCode, 400)
    await fence(t, ws, 'silence')
  })
})

t.test('app.cable.disconnect({ userId })', async t => {
  class MeChannel extends Channel {
    subscribed () { this.streamFrom('me') }
    who () { return current.user?.login ?? null }
  }
  const house = async (t: any) => await setting(t, { channels: { MeChannel }, cookie: { secret }, session: { cookie: 'session' }, findUser: id => ({ login: id }) })

  t.test('closes every connection of that user with 4500, and nobody else\'s (upstream U9)', async t => {
    const { app } = await house(t)
    const plain = await connect(app, { session: 'ana' })
    const v1 = await connect(app, { session: 'ana', protocols: 'channels-v1' })
    const idle = await connect(app, { session: 'ana' })
    const bob = await connect(app, { session: 'bob' })
    const visitor = await connect(app)
    for (const ws of [plain, v1, bob, visitor]) await ws.subscribe('MeChannel')
    await app.cable.disconnect({ userId: 'ana' })
    await app.cable.broadcast('me', 'a secret')
    for (const ws of [plain, v1, idle]) t.same(await ws.closed, { code: 4500, reason: 'unauthorized' })
    t.same(plain.frames, [], 'the guide\'s dialect is told by the code alone')
    t.same(v1.frames, [{ type: 'disconnect', reason: 'unauthorized', reconnect: false }])
    for (const ws of [bob, visitor]) t.match(await ws.receive(), { data: 'a secret' })
    t.match(await bob.perform('MeChannel', 'who'), { data: 'bob' })
    await app.cable.disconnect({ userId: 'nobody' })
    await app.cable.disconnect({ userId: 'ana' })
    await fence(t, bob, 'silence')
  })

  t.test('with reconnect asks the client to come back: 4000', async t => {
    const { app } = await house(t)
    const ws = await connect(app, { session: 'ana', protocols: 'channels-v1' })
    await app.cable.disconnect({ userId: 'ana' }, { reconnect: true })
    t.same(await ws.receive(), { type: 'disconnect', reason: 'reauthorize', reconnect: true })
    t.same(await ws.closed, { code: 4000, reason: 'reauthorize' })
    const again = await connect(app, { session: 'ana' })
    t.match(await again.subscribe('MeChannel'), { type: 'confirm_subscription' })
  })

  t.test('numbers and strings are the same user', async t => {
    const { app } = await house(t)
    const ws = await connect(app, { session: '7' })
    await app.cable.disconnect({ userId: 7 })
    t.match(await ws.closed, { code: 4500 })
  })

  t.test('without a user is an error, not everybody', async t => {
    const { app } = await house(t)
    const ws = await connect(app, { session: 'undefined' })
    for (const filter of [{}, undefined, null, { userId: undefined }, { userId: null }, { userId: {} }, { user: 1 }, { userId: 'undefined', sessionId: 'x' }]) {
      await t.rejects(app.cable.disconnect(filter as any), TypeError, JSON.stringify(filter))
    }
    await fence(t, ws, 'and nobody was disconnected')
  })

  t.test('while a subscription is pending: it is answered by nothing, and ends as it must', async t => {
    const waits = gate()
    const journal = new Journal<any>()
    class SlowChannel extends Channel {
      async subscribed () {
        const { signal } = this
        journal.put('begun')
        await waits
        this.streamFrom('me')
        this.send('late')
        journal.put(signal.aborted)
      }

      unsubscribed (reason: string) { journal.put(reason) }
    }
    const { app } = await setting(t, { channels: { SlowChannel }, session: request => request.headers['x-user'] as string, findUser: login => ({ login }) })
    const ws = await connect(app, { headers: { 'x-user': 'ana' } })
    ws.send({ command: 'subscribe', channel: 'SlowChannel', params: {} })
    t.equal(await journal.next(), 'begun')
    await app.cable.disconnect({ userId: 'ana' })
    t.match(await ws.closed, { code: 4500 })
    waits.open()
    t.equal(await journal.next(), true)
    t.equal(await journal.next(), 'disconnect')
    await ws.close()
    t.same(ws.frames, [])
    t.equal(journal.all.length, 3)
  })

  t.test('lets a running action end, and answers nobody', async t => {
    const waits = gate()
    const journal = new Journal<any>()
    class ActChannel extends Channel {
      async act () {
        journal.put('begun')
        await waits
        journal.put('done')
      }

      unsubscribed (reason: string) { journal.put(reason) }
    }
    const { app } = await setting(t, { channels: { ActChannel }, session: request => request.headers['x-user'] as string, findUser: login => ({ login }) })
    const ws = await connect(app, { headers: { 'x-user': 'ana' } })
    await ws.subscribe('ActChannel')
    for (const id of [1, 2]) ws.send({ command: 'message', channel: 'ActChannel', params: {}, action: 'act', id })
    await journal.next()
    await app.cable.disconnect({ userId: 'ana' })
    await ws.closed
    waits.open()
    await ws.close()
    t.same(journal.all, ['begun', 'done', 'disconnect'], 'the second action does not run for somebody who was sent away')
    t.same(ws.frames, [])
  })

  t.test('reaches a connection whose session was still being read when it was said', async t => {
    for (const [filter, isMeant] of [[{ userId: 'ana' }, true], [{ sessionId: 's1' }, true], [{ userId: 'bob' }, false], [{ sessionId: 's2' }, false], [{ connectionId: 'x' }, false]] as const) {
      const begun = gate()
      const read = gate<any>()
      const { app } = await setting(t, {
        channels: { MeChannel },
        session: () => {
          begun.open()
          return read
        },
        findUser: login => ({ login })
      })
      const connecting = connect(app)
      await begun
      await app.cable.disconnect(filter)
      read.open({ userId: 'ana', id: 's1' })
      const ws = await connecting
      if (isMeant) t.match(await ws.closed, { code: 4500 }, JSON.stringify(filter))
      else await fence(t, ws, `${JSON.stringify(filter)} is somebody else`)
    }
  })

  t.test('{ sessionId } and { connectionId } mean one session, and one connection', async t => {
    class NameChannel extends Channel {
      name () { return this.connectionId }
    }
    const { app } = await setting(t, { channels: { NameChannel }, session: request => ({ userId: 'ana', id: String(request.headers['x-session']) }), findUser: login => ({ login }) })
    const open = async (session: string) => {
      const ws = await connect(app, { headers: { 'x-session': session } })
      await ws.subscribe('NameChannel')
      return ws
    }
    const [one, two, three, other] = [await open('s1'), await open('s1'), await open('s1'), await open('s2')]
    const names = [(await one.perform('NameChannel', 'name')).data, (await two.perform('NameChannel', 'name')).data] as string[]
    t.equal(new Set(names).size, 2)
    t.equal((await one.perform('NameChannel', 'name')).data, names[0], 'a name stays')
    await app.cable.disconnect({ connectionId: names[0]! })
    t.match(await one.closed, { code: 4500 })
    for (const ws of [two, three, other]) await fence(t, ws, 'the others stay')
    await app.cable.disconnect({ sessionId: 's1' }, { reconnect: true })
    for (const ws of [two, three]) t.match(await ws.closed, { code: 4000 })
    await fence(t, other, 'another session stays')
    await app.cable.disconnect({ connectionId: names[0]! })
  })

  t.test('a control message of another process that is none is ignored', async t => {
    let host: any
    class OpenBackend extends InProcessBackend {
      constructor () { super(1024) }
      override open (given: any) {
        host = given
        return super.open(given)
      }
    }
    const { app } = await setting(t, { channels, cable: new OpenBackend(), session: () => 'ana', findUser: login => ({ login }) })
    const ws = await connect(app)
    for (const message of ['', '{{', 'null', '1', '[]', '{}', '"x"', '{"userId":"ana"}', '{"verb":"disconnect"}', '{"verb":"disconnect","filter":{"by":"userId","id":1},"reconnect":false}', '{"verb":"disconnect","filter":{"by":"all","id":"ana"},"reconnect":false}', '{"verb":"disconnect","filter":{"by":"userId","id":"ana"}}', '{"verb":"revoke","filter":{"by":"userId","id":"ana"}}', '{"verb":"x","filter":{"by":"userId","id":"ana"},"key":"x"}']) host.control(message)
    await fence(t, ws, 'nothing happened')
    host.control('{"verb":"disconnect","filter":{"by":"userId","id":"ana"},"reconnect":false}')
    t.match(await ws.closed, { code: 4500 })
  })
})

t.test('app.cable.revoke()', async t => {
  const ends = new Journal<string>()
  class RoomsChannel extends Channel<{ room: number }> {
    subscribed () { this.streamFrom(`room_${this.params.room}`) }
    unsubscribed (reason: string) { ends.put(`${this.params.room} ${reason}`) }
    hi () { return 'hi' }
  }
  const house = async (t: any) => {
    ends.all.length = 0
    return await setting(t, { channels: { RoomsChannel }, session: request => request.headers['x-user'] as string, findUser: login => ({ login }) })
  }

  t.test('ends that subscription of that user, says revoked, and leaves the socket open', async t => {
    for (const protocols of ['', 'channels-v1']) {
      const { app } = await house(t)
      const open = async (user: string) => await connect(app, { headers: { 'x-user': user }, ...protocols !== '' && { protocols } })
      const [ana, tab, bob] = [await open('ana'), await open('ana'), await open('bob')]
      for (const ws of [ana, tab, bob]) for (const room of [1, 2]) await ws.subscribe('RoomsChannel', { room })
      await app.cable.revoke({ userId: 'ana' }, 'RoomsChannel', { room: 1 })
      await app.cable.broadcast('room_1', 'a secret')
      for (const ws of [ana, tab]) {
        t.same(await ws.receive(), { type: 'reject_subscription', channel: 'RoomsChannel', params: { room: 1 }, reason: 'revoked' })
        t.match(await ws.perform('RoomsChannel', 'hi', {}, { room: 1 }), { reason: 'not_subscribed' })
        t.match(await ws.perform('RoomsChannel', 'hi', {}, { room: 2 }), { data: 'hi' }, 'the other room stays')
        await fence(t, ws, 'silence')
      }
      t.match(await bob.receive(), { data: 'a secret' })
      t.same(ends.all, ['1 revoke', '1 revoke'])
      t.match(await ana.subscribe('RoomsChannel', { room: 1 }), { type: 'confirm_subscription' }, 'subscribed() decides when it comes again')
      await app.cable.revoke({ userId: 'ana' }, 'RoomsChannel', { room: 3 })
      await app.cable.revoke({ userId: 'nobody' }, 'RoomsChannel', { room: 1 })
      await app.cable.revoke({ userId: 'ana' }, 'RoomsChannel')
      await fence(t, ana, 'what nobody has is revoked from nobody', 'RoomsChannel', { room: 1 })
    }
  })

  t.test('waits for a running action, and what is queued behind it is not_subscribed', async t => {
    const waits = gate()
    let running = 0
    class WorkChannel extends Channel {
      subscribed () { this.streamFrom('work') }
      async work () {
        running++
        await waits
        return 'done'
      }
    }
    const { app } = await setting(t, { channels: { WorkChannel }, session: () => 'ana', findUser: login => ({ login }) })
    const ws = await connect(app)
    await ws.subscribe('WorkChannel')
    ws.send({ command: 'message', channel: 'WorkChannel', params: {}, action: 'work', id: 1 })
    await ws.perform('X', 'x')
    t.equal(running, 1)
    await app.cable.revoke({ userId: 'ana' }, 'WorkChannel')
    ws.send({ command: 'message', channel: 'WorkChannel', params: {}, action: 'work', id: 2 })
    waits.open()
    t.match(await ws.receive(), { type: 'reply', id: 1, data: 'done' })
    t.match(await ws.receive(), { type: 'reject_subscription', reason: 'revoked' })
    t.match(await ws.receive(), { type: 'reply', id: 2, reason: 'not_subscribed' })
  })

  t.test('of a subscription that is pending, or is left and taken again meanwhile', async t => {
    const waits = gate()
    class SlowChannel extends Channel {
      async subscribed () {
        this.streamFrom('slow')
        await waits
      }
    }
    const { app } = await setting(t, { channels: { SlowChannel }, session: () => 'ana', findUser: login => ({ login }) })
    const ws = await connect(app)
    ws.send({ command: 'subscribe', channel: 'SlowChannel', params: {} })
    await ws.perform('X', 'x')
    await app.cable.revoke({ userId: 'ana' }, 'SlowChannel')
    waits.open()
    const frames = [await ws.receive() as any]
    if (frames[0].type === 'confirm_subscription') frames.push(await ws.receive())
    t.match(frames.at(-1), { type: 'reject_subscription', channel: 'SlowChannel', reason: 'revoked' })
    await app.cable.broadcast('slow', 'a secret')
    await fence(t, ws, 'silence', 'SlowChannel')
  })
})
