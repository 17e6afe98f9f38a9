// Servers that stop, restart and die under their clients: real processes, real sockets, a real Redis (research: shutdown and deploy, reconnect).
import { once } from 'node:events'
import { request } from 'node:http'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { Cable } from '@fastify-channels/client/core'
import { test } from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { delayAfter } from '../../client/src/backoff.ts'
import { Server, until } from '../../redis/test/servers.ts'
import { AppProcess, SilentPeer, Visitor } from './deploy-process.ts'

/** The long runs: `DEPLOY_SOCKETS=2000`, `DEPLOY_MISSED=1000`, `DEPLOY_STORM=5000`. */
const SOCKETS = Number(process.env.DEPLOY_SOCKETS ?? 200)
const STORM = Number(process.env.DEPLOY_STORM ?? 300)
/** Broadcasts that a process misses while it restarts, at least. */
const MISSED = Number(process.env.DEPLOY_MISSED ?? 50)
const PATIENCE = 120_000

const restarted = { willReconnect: true, reason: 'server_restart' }
const first = { reconnected: false, recovered: null, gap: false }

/** Pipes to the parent are no work of the app's. */
function isOwn (resource: string): boolean {
  return !/Pipe|TTY|MessagePort/.test(resource)
}

test(`a deploy: ${SOCKETS} sockets are sent away, one in a hundred of them silent`, async t => {
  const app = await (await AppProcess.start(t)).listen()
  const silent = Array.from({ length: SOCKETS / 100 }, () => new SilentPeer(app.port))
  const visitors = Array.from({ length: SOCKETS - silent.length }, (_, index) => new Visitor(t, app.url, index === 0 ? 'held' : `room ${index % 10}`))
  for (const peer of silent) {
    await until(() => peer.text.includes('\r\n\r\n'))
    peer.subscribe('room 0')
    await until(() => peer.isConfirmed)
    peer.fallSilent()
  }
  await until(() => visitors.every(({ isConnected }) => isConnected), PATIENCE)

  const stopping = app.stop()
  // Its `unsubscribed()` holds the close until the end of this.
  await until(async () => await app.ask('waiting', 'end') === 1)
  await until(() => visitors.every(({ farewells }) => farewells.length > 0), PATIENCE)
  const late = new SilentPeer(app.port)
  await late.closed
  t.match(late.text, /^HTTP\/1.1 503 /, 'who comes meanwhile is turned away')
  t.match(late.text, /^retry-after: 5\r$/im, 'and told when to come back')
  await app.ask('open', 'end')
  const { code, signal, farewell } = await stopping
  for (const { cable } of visitors) cable.disconnect()

  t.same([code, signal], [0, null], 'the process ended by itself')
  t.same(farewell!.resources.filter(isOwn), [], 'and nothing held it')
  t.same(farewell!.ends, { shutdown: SOCKETS }, 'unsubscribed() ran once for each')
  everybody(t, visitors, 'is sent away once', ({ farewells }) => farewells.length, 1)
  everybody(t, visitors, 'is told to come back', ({ farewells: [{ retryIn, ...rest }] }) => rest, { type: 'disconnect', reason: 'server_restart', reconnect: true })
  everybody(t, visitors, 'tells the page', ({ events }) => events.slice(0, 2), [first, restarted])
  const spread = Math.min(10_000, SOCKETS * 2)
  const times = visitors.map(({ farewells: [{ retryIn }] }) => retryIn as number)
  const [soonest, latest] = [Math.min(...times), Math.max(...times)]
  t.ok(times.every(Number.isInteger) && soonest >= 0 && latest <= spread, `nobody later than ${spread} ms`)
  t.ok(soonest < spread / 4 && latest > spread * 3 / 4, `from ${soonest} to ${latest} ms`)
  t.ok(new Set(times).size > times.length / 3, 'each has a time of its own')
  for (const peer of silent) {
    peer.socket.resume()
    await peer.closed
    t.match(peer.text, /"reason":"server_restart"/, 'a silent one was told as well, and cut off')
  }
  t.comment(`closed in ${farewell!.took} ms; retryIn from ${soonest} to ${latest} of ${spread} ms; ends ${JSON.stringify(farewell!.ends)}`)
})

test('a stop while visitors come, subscribe and go: every subscribed() has its unsubscribed()', async t => {
  const app = await (await AppProcess.start(t)).listen()
  const enough = new AbortController()
  const coming = Array.from({ length: 30 }, async (_, index) => {
    for (let visits = index; !enough.signal.aborted; visits++) {
      const cable = new Cable({ url: app.url, WebSocket, maxAttempts: 0 })
      const connected = new Promise<void>(resolve => {
        enough.signal.addEventListener('abort', () => resolve(), { once: true })
        const settle = { connected: () => resolve(), disconnected: () => resolve() }
        const rooms = ['kitchen', 'hall'].map(room => cable.subscribe('RoomChannel', { room }, settle))
        if (visits % 3 === 0) rooms[0]!.unsubscribe()
      })
      // Some wait for an answer, some leave at once.
      if (visits % 4 > 0) await connected
      cable.disconnect()
      await pause(1)
    }
  })
  await until(async () => (await app.ask('counts')).begins > 300, PATIENCE)
  const { code, farewell } = await app.stop()
  enough.abort()
  await Promise.all(coming)
  const { begins, ends, resources } = farewell!
  t.equal(code, 0)
  t.equal(Object.values(ends).reduce((sum, count) => sum + count, 0), begins)
  t.same(resources.filter(isOwn), [])
  t.comment(`${begins} began, and ended as ${JSON.stringify(ends)}`)
})

/** Asserts the same of all of them, in one line. */
function everybody (t: Test, visitors: readonly Visitor[], what: string, of: (visitor: Visitor, index: number) => unknown, expected: unknown): void {
  t.same([...new Set(visitors.map((visitor, index) => JSON.stringify(of(visitor, index))))], [JSON.stringify(expected)], `everybody ${what}`)
}

/** The first place where two lists differ. */
function difference (list: readonly unknown[], expected: readonly unknown[]): string | null {
  const length = Math.max(list.length, expected.length)
  for (let at = 0; at < length; at++) if (list[at] !== expected[at]) return `${list[at]} in place of ${expected[at]}`
  return null
}

/** Says one thing through a process. False: it did not take it. */
async function say (port: number, room: string, n: number): Promise<boolean> {
  const post = request({ port, host: '127.0.0.1', method: 'POST', path: `/say?room=${room}&n=${n}`, agent: false })
  post.end()
  try {
    const [answer] = await once(post, 'response')
    answer.resume()
    return answer.statusCode === 204
  } catch {
    return false
  }
}

test('two processes behind one Redis are rolled while 200 broadcasts a second run: nothing is lost, nothing comes twice, all in order', async t => {
  const redis = await Server.start()
  t.teardown(() => redis.stop())
  const started = await Promise.all(Array.from({ length: 4 }, () => AppProcess.start(t, redis.url)))
  const running = await Promise.all(started.slice(0, 2).map(app => app.listen()))
  const spares = started.slice(2)
  const rooms = Array.from({ length: 10 }, (_, index) => `room_${index}`)
  // Back as soon as there is somebody to come back to.
  const sides = running.map(({ url }) => Array.from({ length: 50 }, (_, index) => new Visitor(t, url, rooms[index % rooms.length]!, () => 0)))
  // What is said by those who leave a stopping process is heard in the other one.
  const doormen = running.map(({ url }) => new Visitor(t, url, 'left', () => 0))
  await until(() => [...doormen, ...sides.flat()].every(({ isConnected }) => isConnected))

  const enough = new AbortController()
  const said = rooms.map((): number[] => [])
  const total = () => said.reduce((sum, { length }) => sum + length, 0)
  const publishing = rooms.map(async (room, index) => {
    for (let n = 0; !enough.signal.aborted; n++) {
      const next = performance.now() + 50
      for (let turn = n; !await say(running[turn % 2]!.port, room, n); turn++) await pause(5)
      said[index]!.push(n)
      await pause(Math.max(0, next - performance.now()))
    }
  })
  const begun = performance.now()
  const missed: number[] = []
  for (const [side, visitors] of sides.entries()) {
    await until(() => visitors.every(({ heard }) => heard.length > 3))
    const before = total()
    const { code, farewell } = await running[side]!.stop()
    t.equal(code, 0)
    t.same(farewell!.ends, { shutdown: 51 })
    const doorman = doormen[1 - side]!
    await until(() => doorman.heard.length === 51 * (side + 1))
    // The other one goes on, and so does history.
    await until(() => total() > before + MISSED, PATIENCE)
    const { port } = running[side]!
    missed.push(total() - before)
    running[side] = await spares[side]!.listen(port)
    await until(() => visitors.every(({ isConnected }) => isConnected), PATIENCE)
  }
  enough.abort()
  await Promise.all(publishing)
  const rate = total() / (performance.now() - begun) * 1000
  for (const room of rooms) t.ok(await say(running[0]!.port, room, -1))
  await until(() => sides.flat().every(({ heard }) => heard.at(-1) === -1))

  for (const visitors of sides) {
    everybody(t, visitors, 'hears everything once and in order', ({ heard }, index) => difference(heard, [...said[index % rooms.length]!, -1]), null)
    everybody(t, visitors, 'is told so', ({ events }) => events, [first, restarted, { reconnected: true, recovered: true, gap: false }])
    everybody(t, visitors, 'is sent away once', ({ farewells }) => farewells.length, 1)
  }
  await until(() => doormen.every(({ heard }) => heard.length === 102))
  everybody(t, doormen, 'who saw them off saw them all', ({ heard }) => [...new Set(heard)], ['shutdown'])
  t.comment(`${total()} broadcasts, ${Math.round(rate)}/s; while a side was away: ${missed.join(' and ')}`)
})

test('an in-process cable that restarts has forgotten: every client is told a gap, and hears on', async t => {
  const [app, next] = await Promise.all([AppProcess.start(t), AppProcess.start(t)])
  await app.listen()
  const visitors = Array.from({ length: 20 }, (_, index) => new Visitor(t, app.url, `room_${index % 2}`, () => 0))
  await until(() => visitors.every(({ isConnected }) => isConnected))
  // One room has heard something, the other has not: nobody can know for either.
  await app.ask('broadcast', 'room_0', 'before')
  await until(() => visitors.every(({ heard }, index) => index % 2 === 1 || heard.length === 1))
  const { code } = await app.stop()
  t.equal(code, 0)
  await next.listen(app.port)
  await until(() => visitors.every(({ connects }) => connects === 2), PATIENCE)
  for (const room of ['room_0', 'room_1']) await next.ask('broadcast', room, 'after')
  await until(() => visitors.every(({ heard }) => heard.at(-1) === 'after'))
  everybody(t, visitors, 'is told of the gap', ({ events }) => events, [first, restarted, { reconnected: true, recovered: false, gap: true }])
  t.same(visitors.map(({ heard }) => heard), visitors.map((_, index) => index % 2 === 0 ? ['before', 'after'] : ['after']))
})

test(`a server that is killed under ${STORM} clients gets them back one by one`, async t => {
  const [app, next] = await Promise.all([AppProcess.start(t), AppProcess.start(t)])
  await app.listen()
  const drawn: number[][] = []
  const visitors = Array.from({ length: STORM }, (_, index) => {
    const own: number[] = []
    drawn.push(own)
    return new Visitor(t, app.url, `room_${index % 10}`, () => {
      own.push(Math.random())
      return own.at(-1)!
    })
  })
  await until(() => visitors.every(({ isConnected }) => isConnected), PATIENCE)
  t.match(await app.ask('counts'), { handshakes: STORM, sessions: STORM }, 'one session is looked up for each')

  const killed = performance.now()
  await app.kill()
  await pause(Number(process.env.DEPLOY_AWAY ?? 0))
  await next.listen(app.port)
  const back = performance.now() - killed
  const arrivals = new Map<Visitor, number>()
  await until(() => {
    for (const visitor of visitors) if (visitor.connects === 2 && !arrivals.has(visitor)) arrivals.set(visitor, performance.now() - killed)
    return arrivals.size === STORM
  }, PATIENCE)
  const { handshakes, sessions, ends } = await next.ask('counts')
  t.equal(handshakes, STORM, 'nobody came twice')
  t.equal(sessions, STORM, 'and one session is looked up for each')
  t.same(ends, {})
  t.equal(await next.ask('connections'), STORM)

  everybody(t, visitors, 'is told', ({ events }) => events, [first, { willReconnect: true, reason: 'lost' }, { reconnected: true, recovered: false, gap: true }])
  everybody(t, visitors, 'draws one time for each attempt', ({ attempts }, index) => attempts.length - drawn[index]!.length, 1)
  // Node's timers count whole milliseconds.
  everybody(t, visitors, 'waits for it', ({ attempts, losses }, index) => drawn[index]!.every((value, attempt) => attempts[attempt + 1]! - losses[attempt]! > delayAfter(attempt, 1006, false, () => value) - 2), true)
  const delays = drawn.map(([value]) => delayAfter(0, 1006, false, () => value!))
  t.equal(new Set(delays).size, STORM, 'as many delays as clients')
  const tenths = group(delays, delay => Math.floor((delay - 250) / 75))
  t.equal(tenths.size, 10, 'over the whole of the time that the first attempt has')
  t.ok([...tenths.values()].every(({ length }) => length < STORM / 5), 'and evenly')
  const begun = visitors.map(({ attempts }) => attempts.at(-1)! - killed)
  t.comment(`listening again after ${Math.round(back)} ms, all back after ${Math.round(Math.max(...arrivals.values()))} ms; attempts that succeeded, by second: ${bySecond(begun)}; connected: ${bySecond([...arrivals.values()])}`)
})

function bySecond (times: readonly number[]): string {
  const seconds = group(times, ms => Math.floor(ms / 1000))
  const most = Math.max(...[...seconds.values()].map(({ length }) => length))
  return `${[...seconds].map(([second, { length }]) => `${second}: ${length}`).join(', ')} (most ${(100 * most / times.length).toFixed(1)} %)`
}

function group<T> (items: readonly T[], by: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>()
  for (const item of items) groups.set(by(item), [...groups.get(by(item)) ?? [], item])
  return new Map([...groups].sort(([a], [b]) => a - b))
}
