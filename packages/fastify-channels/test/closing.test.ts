// How connections end, and what never stays open: a stopping server, vanished peers, handshakes that hang (DESIGN §6; research: the process).
import { once } from 'node:events'
import { createConnection } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { mock } from 'node:test'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { WebSocket } from 'ws'
import { readClient } from '../src/asset.ts'
import { encode } from '../src/frame.ts'
import { Heartbeat } from '../src/heartbeat.ts'
import { kConnections } from '../src/plugin.ts'
import { address, bare, errors, fence, gate, Journal, setting, until, ways } from './setting.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

/** A peer that shows every byte and answers nothing by itself. */
class RawPeer {
  readonly socket: Socket
  readonly closed: Promise<unknown>
  #bytes = Buffer.alloc(0)

  constructor (app: FastifyInstance, path = '/cable', headers = '') {
    this.socket = createConnection((app.server.address() as AddressInfo).port, '127.0.0.1')
    this.socket.on('data', bytes => { this.#bytes = Buffer.concat([this.#bytes, bytes]) })
    this.socket.on('error', () => {})
    this.closed = once(this.socket, 'close')
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${headers}\r\n`)
  }

  get text (): string {
    return this.#bytes.toString('latin1')
  }

  /** Settles when `text` was seen. */
  saw (text: string): Promise<void> {
    return until(`the peer sees ${JSON.stringify(text)}`, () => this.text.includes(text))
  }

  /** Says a text message, masked with zeros. */
  say (command: object): void {
    const frame = encode(JSON.stringify(command))
    this.socket.write(Buffer.concat([frame.subarray(0, 1), Buffer.from([frame[1]! | 0x80]), frame.subarray(2, frame[1] === 126 ? 4 : 2), Buffer.alloc(4), frame.subarray(frame[1] === 126 ? 4 : 2)]))
  }
}

async function listening (t: any, options: object = {}, prepare?: (app: FastifyInstance) => unknown) {
  const setup = await setting(t, options, prepare)
  await setup.app.listen({ port: 0, host: '127.0.0.1' })
  return setup
}

/** Freezes the timers that code under test makes from now on, and sets them going again when the test is over. */
function freeze (t: any): void {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
  t.teardown(() => mock.timers.reset())
}

class EndChannel extends Channel {
  static ends = new Journal<string>()
  subscribed () { this.streamFrom('room') }
  unsubscribed (reason: string) { EndChannel.ends.put(reason) }
}

t.test('app.close()', async t => {
  t.test('needs no timer when nobody is connected', async t => {
    const app = Fastify()
    await app.register(channels)
    await app.listen({ port: 0, host: '127.0.0.1' })
    freeze(t)
    await app.close()
    t.equal(app.server.listening, false)
  })

  t.test('of an app that never was ready works too', async t => {
    const app = Fastify()
    app.register(channels)
    await app.close()
    t.equal(app.server.listening, false)
  })

  for (const [way, open] of ways) {
    t.test(`says farewell, ends every subscription, and closes with 1012 (${way})`, async t => {
      const { app } = await setting(t, { channels: { EndChannel } })
      const v1 = await open(app, { protocols: 'channels-v1' })
      const plain = await open(app)
      for (const ws of [v1, plain]) await ws.subscribe('EndChannel')
      EndChannel.ends.all.length = 0
      await app.close()
      t.same(EndChannel.ends.all, ['shutdown', 'shutdown'], 'before it settles')
      for (const ws of [v1, plain]) t.same(await ws.closed, { code: 1012, reason: 'server_restart' })
      const [{ retryIn, ...farewell }, ...more] = v1.frames as any[]
      t.same(farewell, { type: 'disconnect', reason: 'server_restart', reconnect: true })
      t.ok(Number.isInteger(retryIn) && retryIn >= 0 && retryIn <= 10_000, `come back in ${retryIn} ms`)
      t.same(more, [])
      t.same(plain.frames, [])
    })
  }

  t.test('waits for unsubscribed(), and no longer than limits.endTimeout', async t => {
    const ends: string[] = []
    class SlowChannel extends Channel {
      async unsubscribed () {
        await new Promise(resolve => setImmediate(resolve))
        ends.push('slow')
      }
    }
    class HangingChannel extends Channel {
      unsubscribed () { return new Promise(() => {}) }
    }
    const { app, log } = await setting(t, { channels: { SlowChannel, HangingChannel }, limits: { endTimeout: 20 } })
    const ws = await connect(app)
    await ws.subscribe('SlowChannel')
    await ws.subscribe('HangingChannel')
    await app.close()
    t.same(ends, ['slow'])
    t.match(errors(log), [{ err: { message: 'HangingChannel.unsubscribed() took longer than 20 ms' } }])
  })

  t.test('waits for a running action no longer than limits.endTimeout', async t => {
    let signal: AbortSignal | undefined
    class HangingChannel extends Channel {
      hang () {
        signal = this.signal
        return new Promise(() => {})
      }

      unsubscribed (reason: string) { EndChannel.ends.put(reason) }
    }
    const { app } = await setting(t, { channels: { HangingChannel }, limits: { endTimeout: 20 } })
    const ws = await connect(app)
    await ws.subscribe('HangingChannel')
    ws.send({ command: 'message', channel: 'HangingChannel', params: {}, action: 'hang', id: 1 })
    await until('it hangs', () => signal !== undefined)
    EndChannel.ends.all.length = 0
    await app.close()
    t.equal(signal!.aborted, true)
    t.same(EndChannel.ends.all, ['shutdown'])
  })

  t.test('cuts off a peer that does not answer, after two seconds, and turns away who comes meanwhile', async t => {
    const { app } = await listening(t, { channels: { EndChannel } })
    const peer = new RawPeer(app)
    await peer.saw('101 Switching Protocols')
    peer.say({ command: 'subscribe', channel: 'EndChannel', params: {} })
    await peer.saw('confirm_subscription')
    EndChannel.ends.all.length = 0
    freeze(t)
    let isClosed = false
    const close = app.close().then(() => { isClosed = true })
    await peer.saw('\x88\x10\x03\xf4server_restart')
    const late = new RawPeer(app)
    await late.closed
    t.match(late.text, /^HTTP\/1.1 503 /)
    mock.timers.tick(1999)
    await new Promise(resolve => setImmediate(resolve))
    t.equal(isClosed, false)
    mock.timers.tick(1)
    await peer.closed
    await close
    t.same(EndChannel.ends.all, ['shutdown'])
  })

  t.test('ends handshakes that still hang', async t => {
    const begun = gate()
    const { app } = await listening(t, { limits: { upgradeTimeout: false } }, app => {
      app.addHook('preValidation', () => {
        begun.open()
        return new Promise(() => {})
      })
    })
    const peer = new RawPeer(app)
    await begun
    const closing = app.close()
    await until('the peer is cut off', () => peer.socket.destroyed)
    await closing
    t.equal(peer.text, '')
  })

  t.test('says 1001 to the sockets of the app\'s other routes', async t => {
    const { app } = await listening(t, {}, app => {
      app.register(async app => { app.get('/echo', { websocket: true }, socket => { socket.on('message', data => socket.send(String(data))) }) })
    })
    const ws = new WebSocket(`${address(app)}/echo`)
    await once(ws, 'open')
    const closed = once(ws, 'close')
    await app.close()
    t.equal((await closed)[0], 1001)
  })
})

t.test('a peer that is sent away and does not answer is cut off after two seconds', async t => {
  const { app } = await listening(t, { channels: { EndChannel }, session: () => 'ana', findUser: (login: string) => ({ login }) })
  const peer = new RawPeer(app)
  await peer.saw('101 Switching Protocols')
  peer.say({ command: 'subscribe', channel: 'EndChannel', params: {} })
  await peer.saw('confirm_subscription')
  EndChannel.ends.all.length = 0
  freeze(t)
  await app.cable.disconnect({ userId: 'ana' })
  await peer.saw('\x88\x0e\x11\x94unauthorized')
  mock.timers.tick(2000)
  await peer.closed
  await until('its end', () => EndChannel.ends.all.length === 1)
  t.same(EndChannel.ends.all, ['disconnect'])
})

t.test('a peer that breaks the wire is closed with a code, and wakes nobody', async t => {
  const { app, log } = await listening(t)
  const peer = new RawPeer(app)
  await peer.saw('101 Switching Protocols')
  peer.socket.write(Buffer.from([0x81, 0x01, 0x78]))
  await peer.saw('\x88\x02\x03\xea')
  await until('it is noted', () => log.some(({ msg }) => msg === 'a websocket failed'))
  t.match(log.filter(({ msg }) => msg === 'a websocket failed'), [{ level: 20, err: { code: 'WS_ERR_EXPECTED_MASK' } }])
  peer.socket.destroy()
})

t.test('a peer that vanished without a word', async t => {
  t.test('is noticed within 32 seconds: unsubscribed() runs once, and who answers stays', async t => {
    const { app } = await setting(t, { channels: { EndChannel } })
    freeze(t)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const silent = new RawPeer(app, '/cable', 'Sec-WebSocket-Protocol: channels-v1\r\n')
    await silent.saw('101 Switching Protocols')
    silent.say({ command: 'subscribe', channel: 'EndChannel', params: {} })
    await silent.saw('confirm_subscription')
    const ws = new WebSocket(`${address(app)}/cable`)
    const pings: number[] = []
    let seconds = 0
    ws.on('ping', () => pings.push(seconds))
    await once(ws, 'open')
    const talking = new RawPeer(app)
    await talking.saw('101 Switching Protocols')
    EndChannel.ends.all.length = 0
    const gone: number[] = []
    silent.closed.then(() => gone.push(seconds))
    for (seconds = 1; seconds <= 70; seconds++) {
      mock.timers.tick(1000)
      talking.say({ command: 'pong' })
      for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
      await until('who answers is heard', () => [...app[kConnections]].every(connection => connection.missed === 0 || connection.dialect.name !== ''))
    }
    await silent.closed
    t.ok(gone[0]! <= 32, `noticed after ${gone[0]} s`)
    t.ok(gone[0]! > 15, 'and not at once')
    t.same(EndChannel.ends.all, ['close'])
    t.equal(silent.text.split('\x89\x00').length, 3, 'it was asked twice')
    t.equal(silent.text.match(/\{"type":"ping"\}/g)!.length, 2, 'and where its dialect has the word, in words')
    t.ok(pings.length >= 4, `the other one was asked ${pings.length} times`)
    t.equal(ws.readyState, ws.OPEN)
    t.equal(talking.socket.destroyed, false, 'and any message is an answer')
    t.notMatch(talking.text, /ping/, 'the guide\'s dialect has no word for it')
    talking.socket.destroy()
    ws.terminate()
  })

  t.test('is not suspected while it is we who do not read', async t => {
    const waits = gate()
    class BusyChannel extends Channel {
      work () { return waits }
    }
    const { app } = await setting(t, { channels: { BusyChannel }, limits: { maxPendingCommands: 1, stallTimeout: false } })
    freeze(t)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const peer = new RawPeer(app)
    await peer.saw('101 Switching Protocols')
    peer.say({ command: 'subscribe', channel: 'BusyChannel', params: {} })
    await peer.saw('confirm_subscription')
    peer.say({ command: 'message', channel: 'BusyChannel', params: {}, action: 'work', id: 1 })
    // Its answers to our pings would arrive behind this, which we do not read.
    for (let seconds = 1; seconds <= 70; seconds++) {
      mock.timers.tick(1000)
      for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
    }
    t.equal(peer.socket.destroyed, false)
    waits.open()
    await peer.saw('"type":"reply","id":1')
    peer.socket.destroy()
  })

  t.test('or whose line broke: unsubscribed() runs once, nothing is logged as an error', async t => {
    const { app, log } = await listening(t, { channels: { EndChannel } })
    for (const end of [(peer: RawPeer) => peer.socket.resetAndDestroy(), (peer: RawPeer) => peer.socket.destroy(), (peer: RawPeer) => peer.socket.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0]))]) {
      const peer = new RawPeer(app)
      await peer.saw('101 Switching Protocols')
      peer.say({ command: 'subscribe', channel: 'EndChannel', params: {} })
      await peer.saw('confirm_subscription')
      EndChannel.ends.all.length = 0
      end(peer)
      await until('the end', () => EndChannel.ends.all.length > 0 && app[kConnections].size === 0)
      t.same(EndChannel.ends.all, ['close'])
    }
    t.same(errors(log), [])
  })
})

t.test('a handshake leaks no socket', async t => {
  t.test('to a path that is malformed or nobody\'s, or a route without a socket', async t => {
    const { app } = await listening(t, { limits: { upgradeTimeout: 200 } }, app => {
      app.get('/page', async () => 'a page')
      app.get('/inner', { schema: { querystring: { type: 'object', required: ['x'] } } }, async () => 'a page')
    })
    for (const [path, status] of [['/%zz', 400], ['/nowhere', 404], ['/page', 404], ['/cable/', 404], ['/cable.js', 404], ['/inner', 400]] as const) {
      const peer = new RawPeer(app, path)
      await peer.closed
      t.match(peer.text, new RegExp(`^HTTP/1.1 ${status} `), path)
    }
    t.equal(app.websocketServer.clients.size, 0)
  })

  t.test('that hangs in a hook of the app', async t => {
    for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
      const { app } = await listening(t, { limits: { upgradeTimeout: 20 } }, app => {
        app.addHook(hook, () => new Promise(() => {}))
      })
      const peer = new RawPeer(app)
      await peer.closed
      t.equal(peer.text, '', hook)
    }
  })

  t.test('whose hook throws', async t => {
    const { app } = await listening(t, {}, app => { app.addHook('preValidation', async () => { throw new Error('no') }) })
    const peer = new RawPeer(app)
    await peer.closed
    t.match(peer.text, /^HTTP\/1.1 500 /)
    t.equal(app[kConnections].size, 0)
  })

  t.test('whose peer leaves while its session is read', async t => {
    const begun = gate()
    const waits = gate<null>()
    const { app, log } = await listening(t, {
      session: () => {
        begun.open()
        return waits
      },
      findUser: () => null
    })
    const peer = new RawPeer(app)
    await begun
    peer.socket.resetAndDestroy()
    await peer.closed
    await new Promise(resolve => setImmediate(resolve))
    waits.open(null)
    const ws = await connect(app)
    await ws.close()
    await until('nobody is there', () => app[kConnections].size === 0)
    t.same(errors(log), [])
  })

  t.test('and what is open is not watched by it: an idle connection outlives limits.upgradeTimeout', async t => {
    const { app } = await listening(t, { limits: { upgradeTimeout: 20 } }, app => { app.get('/hangs', { onRequest: () => new Promise(() => {}) }, async () => {}) })
    const idle = new RawPeer(app)
    await idle.saw('101 Switching Protocols')
    const hanging = new RawPeer(app, '/hangs')
    await hanging.closed
    idle.say({})
    await idle.saw('unknown_command')
    idle.socket.destroy()
  })
})

t.test('limits.upgradeTimeout: false watches no handshake', async t => {
  const { app } = await listening(t, { limits: { upgradeTimeout: false } })
  const peer = new RawPeer(app)
  await peer.saw('101')
  peer.socket.destroy()
  t.pass('and lets it in')
})

t.test('/cable', async t => {
  const { app } = await setting(t)

  t.test('over plain HTTP is 426 Upgrade Required', async t => {
    const answer = await app.inject('/cable')
    t.equal(answer.statusCode, 426)
    t.equal(answer.headers.upgrade, 'websocket')
    t.same(answer.json(), { error: 'Upgrade Required', message: 'this is the address of a WebSocket', statusCode: 426 })
    t.equal((await app.inject({ method: 'POST', url: '/cable' })).statusCode, 404)
  })

  t.test('answers a subprotocol of ours or none: never another', async t => {
    await app.listen({ port: 0, host: '127.0.0.1' })
    for (const [offered, expected] of [['', null], ['evil', null], ['evil, channels-v1', 'channels-v1'], ['channels-v1', 'channels-v1'], ['channels-v2', null], ['constructor', null]] as const) {
      const peer = new RawPeer(app, '/cable', offered === '' ? '' : `Sec-WebSocket-Protocol: ${offered}\r\n`)
      await peer.saw('\r\n\r\n')
      t.match(peer.text, /^HTTP\/1.1 101 /)
      t.equal(/sec-websocket-protocol: (.*)\r\n/i.exec(peer.text)?.[1] ?? null, expected, offered)
      t.notMatch(peer.text, /permessage-deflate/)
      peer.socket.destroy()
    }
  })

  t.test('is text: a binary frame is answered with 1003', async t => {
    for (const [, open] of ways) {
      const ws = await open(app)
      const raw = [...app[kConnections]].at(-1)!
      raw.receive(Buffer.from('{}'), true)
      t.same(await ws.closed, { code: 1003, reason: 'text frames only' })
      raw.receive(Buffer.from('{}'), false)
      t.same(ws.frames, [], 'and who was sent away is not served')
    }
  })

  t.test('takes messages of 64 KiB, and not of more: 1009', async t => {
    const ws = new WebSocket(`${address(app)}/cable`)
    await once(ws, 'open')
    ws.send(`"${'x'.repeat(65_534)}"`)
    t.same(JSON.parse(String((await once(ws, 'message'))[0])), { type: 'error', reason: 'invalid_message' })
    ws.send(`"${'x'.repeat(65_535)}"`)
    t.equal((await once(ws, 'close'))[0], 1009)
  })
})

t.test('a throw in an app\'s own socket route is logged as an error and ends that socket', async t => {
  const { app, log } = await listening(t, {}, app => {
    app.register(async app => { app.get('/boom', { websocket: true }, () => { throw new Error('boom') }) })
  })
  const ws = new WebSocket(`${address(app)}/boom`)
  t.equal((await once(ws, 'close'))[0], 1006)
  t.match(errors(log), [{ err: { message: 'boom' }, msg: 'a websocket failed' }])
})

t.test('/cable.js', async t => {
  t.test('is the built client, with a type and an etag', async t => {
    const { app } = await setting(t)
    const { statusCode, headers, body } = await app.inject('/cable.js')
    t.equal(statusCode, 200)
    t.match(headers, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-cache', etag: /^"[\w-]{22}"$/ })
    t.equal(body, String(readClient().body))
    t.match(body, /export\s*\{/)
    const again = await app.inject({ url: '/cable.js', headers: { 'if-none-match': String(headers.etag) } })
    t.equal(again.statusCode, 304)
    t.equal(again.body, '')
    t.equal(again.headers.etag, headers.etag)
    t.equal((await app.inject({ url: '/cable.js', headers: { 'if-none-match': '"another"' } })).statusCode, 200)
    t.equal((await app.inject({ method: 'HEAD', url: '/cable.js' })).statusCode, 200)
  })

  t.test('is where the option client says, or nowhere', async t => {
    const { app } = await setting(t, { client: '/assets/cable.js' })
    t.equal((await app.inject('/assets/cable.js')).statusCode, 200)
    t.equal((await app.inject('/cable.js')).statusCode, 404)
    const { app: without } = await setting(t, { client: false })
    t.equal((await without.inject('/cable.js')).statusCode, 404)
  })

  t.test('that is not built is an error that says what to run', async t => {
    for (const locate of [() => '/no/such/file.js', () => { throw new Error('cannot find it') }]) {
      t.throws(() => readClient(locate), { code: 'FST_CHANNELS_INVALID_OPTION', message: /the browser client is not built \(.+\); run `npm run build`, or set client: false/ })
    }
  })
})

t.test('a ping says how large the crowd is, once it is one', async t => {
  const sizes: number[] = []
  const wheel = new Heartbeat(size => { sizes.push(size); return size * 600 })
  const pings: number[] = []
  const told: number[] = []
  const peer = () => ({ beat: null, missed: 0, ping: (spread: number) => pings.push(spread), tellCrowd: (spread: number) => told.push(spread), terminate () {} }) as never
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const peers = [peer(), peer()]
  wheel.add(peers[0]!)
  mock.timers.tick(15_000)
  wheel.add(peers[1]!)
  mock.timers.tick(15_000)
  t.same(pings, [0, 1200, 1200])
  t.same(told, [1200], 'at once to whoever comes into it')
  for (const each of peers) wheel.remove(each)
  t.same(new Set(sizes), new Set([1, 2]))
})

t.test('what is said to a connection that ended goes nowhere, and throws nothing', async t => {
  const { app } = await setting(t, { channels: { EndChannel } })
  const ws = await connect(app)
  await ws.subscribe('EndChannel')
  const [connection] = app[kConnections]
  await ws.close()
  connection!.ping(0)
  connection!.close(1000, 'again', 'close')
  connection!.terminate()
  connection!.disconnect('unauthorized', false)
  const other = await connect(app)
  await fence(t, other, 'and the others live')
})

t.test('a server without the plugin\'s sockets is what it was', async t => {
  const { app } = bare(t)
  await app.register(channels, { channels: {} })
  app.get('/', async () => 'page')
  t.equal((await app.inject('/')).body, 'page')
})
