// Logouts that reach every process, and peers that vanish without a word: what ends a connection from outside (research: sessions, heartbeats).
import { once } from 'node:events'
import process from 'node:process'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import { WebSocket } from 'ws'
import { kConnections } from '../src/plugin.ts'
import { BlackHole } from '../../redis/test/black-hole.ts'
import { Server, until } from '../../redis/test/servers.ts'
import { AppProcess, SilentPeer, Visitor } from './deploy-process.ts'
import { address, gate, setting } from './setting.ts'

/** The long run: `DEPLOY_LOGOUT=1000 DEPLOY_PROCESSES=4`. */
const SOCKETS = Number(process.env.DEPLOY_LOGOUT ?? 20)
const PROCESSES = Number(process.env.DEPLOY_PROCESSES ?? 2)

const farewell = '{"type":"disconnect","reason":"unauthorized","reconnect":false}'

/** A peer that keeps the text of every frame. */
class Peer {
  readonly ws: WebSocket
  readonly frames: string[] = []
  readonly closed: Promise<any>
  #count = 0

  constructor (app: AppProcess, query: string) {
    this.ws = new WebSocket(`${app.url}?${query}`, 'channels-v1')
    this.ws.on('message', bytes => this.frames.push(String(bytes)))
    this.closed = once(this.ws, 'close').then(([code, reason]) => [code, String(reason)])
  }

  /** Subscribes, and forgets the answer. */
  async enter (room: string): Promise<this> {
    if (this.ws.readyState !== WebSocket.OPEN) await once(this.ws, 'open')
    this.ws.send(JSON.stringify({ command: 'subscribe', channel: 'RoomChannel', params: { room } }))
    await until(() => this.frames.at(-1)?.startsWith('{"type":"confirm_subscription"'))
    this.frames.length = 0
    return this
  }

  /** The connection's own name. It is the next thing heard: silence before it is proved. */
  async name (room: string): Promise<string> {
    const id = ++this.#count
    this.ws.send(JSON.stringify({ command: 'message', channel: 'RoomChannel', params: { room }, action: 'name', id }))
    await until(() => this.frames.length > 0)
    return JSON.parse(this.frames.shift()!).data
  }

  /** Settles when it has heard this. */
  async hears (text: string): Promise<void> {
    await until(() => this.frames.some(frame => frame.includes(text)))
  }
}

test(`${PROCESSES} processes on one Redis`, async t => {
  const redis = await Server.start()
  t.teardown(() => redis.stop())
  const apps = await Promise.all(Array.from({ length: PROCESSES }, async () => await (await AppProcess.start(t, redis.url)).listen()))
  const [here, there] = apps as [AppProcess, AppProcess]
  const enter = (app: AppProcess, query: string, room = 'hall') => new Peer(app, query).enter(room)
  const bystanders = await Promise.all(apps.map(app => enter(app, 'user=bob&session=b')))
  t.teardown(() => { for (const { ws } of bystanders) ws.close() })

  t.test('a logout in one closes every socket of the user in both, and nothing said after it is delivered', async t => {
    const peers = await Promise.all(apps.flatMap(app => Array.from({ length: SOCKETS }, (_, index) => enter(app, `user=ana&session=s${index}`))))
    const silent = apps.map(({ port }) => new SilentPeer(port, '/cable?user=ana'))
    for (const peer of silent) {
      await until(() => peer.text.includes('\r\n\r\n'))
      peer.subscribe('hall')
      await until(() => peer.isConfirmed)
    }
    const begun = performance.now()
    const closing = Promise.all(peers.map(async ({ closed }) => [...await closed, performance.now() - begun] as const))
    await here.ask('disconnect', { userId: 'ana' })
    // The word of the logout and this one travel on one line to each process, in this order.
    await here.ask('broadcast', 'hall', 'after the logout')
    for (const peer of bystanders) await peer.hears('after the logout')
    const closes = await closing
    t.same([...new Set(closes.map(close => close.slice(0, 2).join()))], ['4500,unauthorized'])
    t.same([...new Set(peers.map(({ frames }) => frames.join()))], [farewell], 'everybody heard this one frame')
    for (const peer of silent) {
      // It never answers the close, and is cut off in the end.
      await peer.closed
      t.ok(peer.text.endsWith(`${farewell}\x88\x0e\x11\x94unauthorized`), 'a peer that does not go hears nothing either')
    }
    for (const peer of bystanders) {
      t.equal(peer.frames.length, 1)
      peer.frames.length = 0
      await peer.name('hall')
    }
    const times = closes.map(close => close[2]).sort((a, b) => a - b)
    t.comment(`${times.length} sockets in ${PROCESSES} processes: 99 of 100 closed within ${Math.round(times[Math.floor(times.length * 0.99)]!)} ms, the last after ${Math.round(times.at(-1)!)} ms`)
  })

  t.test('a session and a connection are named across processes, and others stay', async t => {
    const [one, two, other] = await Promise.all([enter(there, 'user=ana&session=s1'), enter(there, 'user=ana&session=s1'), enter(there, 'user=ana&session=s2')])
    const elsewhere = await enter(here, 'user=ana&session=s1')
    await here.ask('disconnect', { connectionId: await one.name('hall') })
    t.same(await one.closed, [4500, 'unauthorized'])
    await two.name('hall')
    await here.ask('disconnect', { sessionId: 's1' }, { reconnect: true })
    for (const peer of [two, elsewhere]) {
      t.same(await peer.closed, [4000, 'reauthorize'])
      t.same(peer.frames, ['{"type":"disconnect","reason":"reauthorize","reconnect":true}'])
    }
    await other.name('hall')
    t.same(one.frames, [farewell])
    t.same(other.frames, [])
    other.ws.close()
  })

  t.test('a subscription is revoked across processes: its socket and its other subscriptions stay', async t => {
    const peers = await Promise.all(apps.map(async app => await (await enter(app, 'user=ana')).enter('room')))
    await here.ask('revoke', { userId: 'ana' }, 'RoomChannel', { room: 'room' })
    await here.ask('broadcast', 'room', 'after it')
    await here.ask('broadcast', 'hall', 'and the hall')
    for (const peer of peers) {
      await peer.hears('and the hall')
      t.match(peer.frames.map(frame => JSON.parse(frame)), [
        { type: 'reject_subscription', channel: 'RoomChannel', params: { room: 'room' }, reason: 'revoked' },
        { type: 'broadcast', stream: 'hall', data: 'and the hall' }
      ])
      t.equal(peer.frames.length, 2)
      peer.ws.close()
    }
    for (const peer of bystanders) {
      await peer.hears('and the hall')
      peer.frames.length = 0
    }
  })

  for (const [where, what] of [['session', 'its session is being read'], ['hook', 'a hook before ours is reading its session']] as const) {
    t.test(`a logout closes a connection that is shaking hands in the other process, while ${what}`, async t => {
      const fence = await enter(there, 'user=ana')
      const [late, stranger] = ['ana', 'eve'].map(user => new Peer(there, `user=${user}&hold=${where}`)) as [Peer, Peer]
      await until(async () => await there.ask('waiting', where) === 2)
      await here.ask('disconnect', { userId: 'ana' })
      await fence.closed
      await there.ask('open', where)
      t.same(await late.closed, [4500, 'unauthorized'])
      t.same(late.frames, [farewell])
      await stranger.enter('hall')
      await stranger.name('hall')
      stranger.ws.close()
    })
  }
})

test('a peer that vanishes without a word', async t => {
  const ends: string[] = []
  class RoomChannel extends Channel<{ room: string }> {
    subscribed () { this.streamFrom(this.params.room) }
    unsubscribed (reason: string) { ends.push(reason) }
  }
  const { app } = await setting(t, { channels: { RoomChannel } })
  let seconds = 0
  /** Lets so many seconds pass for client and server alike, and everything happen that happens in them. */
  const pass = async (isOver: () => boolean, most = 40) => {
    for (const latest = seconds + most; seconds < latest && !isOver(); seconds++) {
      mock.timers.tick(1000)
      for (let turns = 0; turns < 20; turns++) await turn()
    }
  }
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
  t.teardown(() => mock.timers.reset())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const hole = await BlackHole.before(Number(new URL(address(app)).port))
  t.teardown(() => hole.close())
  const visitor = new Visitor(t, `${hole.url.replace('redis:', 'ws:').replace('/0', '')}/cable`, 'room', () => 0)
  const near = new Visitor(t, `${address(app)}/cable`, 'room')
  const happens = async (isSo: () => boolean) => { while (!isSo()) await turn() }
  await happens(() => visitor.isConnected && near.isConnected)
  await app.cable.broadcast('room', 1)
  await happens(() => visitor.heard.length === 1)

  hole.swallow()
  await app.cable.broadcast('room', 2)
  const swallowed = seconds
  let noticed: { client?: number, server?: number } = {}
  await pass(() => {
    if (!visitor.isConnected) noticed = { client: seconds - swallowed, ...noticed }
    if (ends.length > 0) noticed = { server: seconds - swallowed, ...noticed }
    return noticed.client !== undefined && noticed.server !== undefined
  })
  t.ok(noticed.client! <= 32 && noticed.client! > 15, `the client notices after ${noticed.client} s`)
  t.ok(noticed.server! <= 32 && noticed.server! > 15, `the server notices after ${noticed.server} s`)
  t.comment(`noticed by the client after ${noticed.client} s, by the server after ${noticed.server} s`)
  await pass(() => visitor.isConnected)
  // ws gives the old socket up half a minute later; nobody cares any more.
  await pass(() => visitor.losses.length > 0)
  await app.cable.broadcast('room', 3)
  await happens(() => visitor.heard.includes(3))
  t.same(ends, ['close'], 'unsubscribed() runs once')
  t.same(visitor.heard, [1, 2, 3], 'nothing is missed')
  t.same(visitor.events, [
    { reconnected: false, recovered: null, gap: false },
    { willReconnect: true, reason: 'stale' },
    { reconnected: true, recovered: true, gap: false }
  ])
  t.same([near.heard, near.events.length], [[1, 2, 3], 1], 'and who is there notices nothing')
  t.equal(app[kConnections].size, 2)
})

test('a handshake that is under way when the server stops is turned away', async t => {
  const begun = gate()
  const read = gate<null>()
  const stopping = gate()
  const { app } = await setting(t, {
    session: () => {
      begun.open()
      return read
    },
    findUser: () => null
  }, app => {
    app.addHook('preClose', async () => {
      stopping.open()
      await turnedAway
    })
  })
  await app.ready()
  const turnedAway = t.rejects(connect(app), { message: /503/ })
  await begun
  const closing = app.close()
  await stopping
  read.open(null)
  await turnedAway
  await closing
})
