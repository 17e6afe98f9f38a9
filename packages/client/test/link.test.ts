import { mock } from 'node:test'
import t from 'tap'
import { CableError } from '../src/index.ts'
import { delayAfter, floorAfter } from '../src/backoff.ts'
import { Puppet, puppetry } from './puppet.ts'
import { ear, first, setting } from './setting.ts'
import { vectors } from './vectors.ts'

/** Loses the connection and tells how long the next attempt takes to be made; null when none is made in a good minute. */
function gapAfter (tick: (ms: number) => void, lose: () => void): number | null {
  const before = Date.now()
  const count = Puppet.made.length
  lose()
  for (let steps = 0; steps < 650 && Puppet.made.length === count; steps++) tick(100)
  return Puppet.made.length === count ? null : Date.now() - before
}

t.test('delays are spread evenly between the floor and the ceiling, and no further', async t => {
  for (const [attempt, ceiling] of [[0, 1000], [1, 2000], [4, 16_000], [5, 30_000], [50, 30_000]] as const) {
    for (const [isHidden, factor] of [[false, 1], [true, 2]] as const) {
      const count = 10_000
      const delays = Array.from({ length: count }, () => delayAfter(attempt, 1006, isHidden, Math.random)).sort((a, b) => a - b)
      const [low, high] = [250, ceiling * factor]
      t.ok(delays[0]! >= low && delays.at(-1)! <= high, `${attempt} ${isHidden}`)
      // Kolmogorov–Smirnov against the even spread; a true one comes out above 2.5/√n once in 200,000 times.
      const distance = Math.max(...delays.map((delay, i) => Math.abs((delay - low) / (high - low) - i / count)))
      t.ok(distance < 2.5 / Math.sqrt(count), `even: ${distance}`)
    }
  }
})

t.test('the longest delay grows with every attempt and then stays', async t => {
  const longest = Array.from({ length: 12 }, (_, attempt) => delayAfter(attempt, 1006, false, () => 1))
  t.same(longest, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000])
  t.equal(delayAfter(2000, 1006, true, () => 1), 60_000)
})

t.test('a server with a crowd spreads the first attempts, and says nothing that could hurry them', async t => {
  const longest = (spread: any) => [0, 1, 2, 3].map(attempt => delayAfter(attempt, 1006, false, () => 1, spread))
  t.same(longest(4000), [4000, 8000, 16_000, 30_000])
  t.equal(delayAfter(0, 1006, false, () => 0, 4000), 250)
  for (const nonsense of [undefined, 0, 10, -1, NaN, null, 'often', {}]) t.same(longest(nonsense), [1000, 2000, 4000, 8000], String(nonsense))
  t.same(longest(10 ** 9), [30_000, 30_000, 30_000, 30_000])
})

t.test('after a violation or an overload nobody comes back at once', async t => {
  t.same([1006, 1008, 1011, 1013].map(floorAfter), [0, 10_000, 0, 5000])
  for (const attempt of [0, 1, 9]) {
    t.equal(delayAfter(attempt, 1008, false, () => 0), 10_000)
    t.equal(delayAfter(attempt, 1013, false, () => 0), 5000)
    t.ok(delayAfter(attempt, 1008, false, () => 1) > delayAfter(attempt, 1008, false, () => 0), 'spread all the same')
  }
})

t.test('a restart spreads the first attempt over five seconds', async t => {
  for (const code of [1001, 1012]) {
    t.same([0, 0.5, 1].map(random => delayAfter(0, code, false, () => random)), [0, 2500, 5000])
    t.equal(delayAfter(1, code, false, () => 1), 2000)
  }
})

t.test('attempts go on for ever, ever more slowly, and a good connection starts anew', async t => {
  const { cable, tick } = puppetry(t)
  cable.connect()
  const waits = Array.from({ length: 40 }, () => gapAfter(tick, () => Puppet.last.lose()))
  t.same(waits.slice(0, 7), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  t.ok(waits.slice(7).every(wait => wait === 30_000))
  Puppet.last.open()
  tick(9_999)
  t.equal(gapAfter(tick, () => Puppet.last.lose()), 30_000, 'it held less than ten seconds')
  Puppet.last.open()
  tick(10_000)
  t.equal(gapAfter(tick, () => Puppet.last.lose()), 1000)
})

t.test('maxAttempts gives up, says so, and connect tries again', async t => {
  const { cable, tick } = puppetry(t, { maxAttempts: 10 })
  const { callbacks, next } = ear()
  const a = cable.subscribe('A', callbacks)
  for (let attempt = 0; attempt < 10; attempt++) t.not(gapAfter(tick, () => Puppet.last.lose()), null)
  t.equal(Puppet.made.length, 11)
  const pending = a.perform('x')
  t.equal(gapAfter(tick, () => Puppet.last.lose()), null)
  t.same(await next(), ['disconnected', { willReconnect: false, reason: 'lost' }])
  await t.rejects(pending, new CableError('disconnected'))
  cable.connect()
  Puppet.last.open().confirm()
  t.same(await next(), ['connected', first])
})

t.test('the close code alone decides who comes back', async t => {
  const { cable, tick } = puppetry(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  for (const { code, reconnect } of vectors.closeCodes) {
    Puppet.last.open().confirm()
    await next()
    tick(10_000)
    const wait = gapAfter(tick, () => Puppet.last.lose(code, 'why'))
    t.equal(wait !== null, reconnect, String(code))
    t.same(await next(), ['disconnected', { willReconnect: reconnect, reason: 'why' }])
    if (!reconnect) cable.connect()
  }
})

t.test('a frame that says not to come back is enough, whatever code follows', async t => {
  const { cable, tick } = puppetry(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  Puppet.last.open().confirm()
  await next()
  Puppet.last.say({ type: 'disconnect', reason: 'unauthorized', reconnect: false })
  t.equal(gapAfter(tick, () => Puppet.last.lose(1006)), null)
  t.same(await next(), ['disconnected', { willReconnect: false, reason: 'unauthorized' }])
})

t.test('the server says when to come back, and is believed once', async t => {
  const { cable, tick } = puppetry(t)
  cable.connect()
  const sentAway = (retryIn: unknown, held = 0): number | null => {
    Puppet.last.open()
    tick(held)
    return gapAfter(tick, () => {
      Puppet.last.say({ type: 'disconnect', reason: 'server_restart', reconnect: true, retryIn })
      Puppet.last.lose(1012)
    })
  }
  t.equal(sentAway(12_300), 12_300)
  t.equal(sentAway(0), 2000, 'at once, again and again, would be a loop')
  t.equal(sentAway(20_000), 20_000, 'but not before it is wanted')
  for (const nonsense of ['5', null, 'soon', {}, undefined]) t.equal(sentAway(nonsense, 10_000), 5000, String(nonsense))
  t.equal(sentAway(-5, 10_000), 100, 'at once')
  t.equal(sentAway(1e300, 10_000), null)
  tick(3_600_000)
  t.equal(gapAfter(tick, () => Puppet.last.lose()), 2000, 'an hour is the longest')
})

t.test('three faults of the protocol in a row are a bug: it stops and reports', async t => {
  const { cable, tick } = puppetry(t)
  const reported = t.capture(console, 'error')
  cable.connect()
  for (const code of [1002, 1007, 1006, 1009, 1002]) t.not(gapAfter(tick, () => Puppet.last.open().lose(code)), null, String(code))
  tick(0)
  Puppet.last.open()
  tick(10_000)
  t.not(gapAfter(tick, () => Puppet.last.lose(1009, 'too big')), null, 'a good connection in between')
  t.not(gapAfter(tick, () => Puppet.last.open().lose(1009)), null)
  t.same(reported(), [])
  t.equal(gapAfter(tick, () => Puppet.last.open().lose(1009, 'too big')), null)
  t.match(reported(), [{ args: [{ name: 'CableError', reason: 'too big', data: 1009 }] }])
  cable.connect()
  t.not(gapAfter(tick, () => Puppet.last.open().lose(1009)), null, 'and connect begins to count anew')
})

t.test('a server that falls silent is given up after two missed pings', async t => {
  const { cable, tick } = puppetry(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  const socket = Puppet.last.open()
  socket.confirm()
  t.same(await next(), ['connected', first])
  for (let pings = 0; pings < 10; pings++) {
    tick(15_000)
    socket.say({ type: 'ping' })
    t.same(socket.sent.splice(0), [{ command: 'pong' }])
  }
  tick(30_999)
  t.equal(socket.closedWith, undefined)
  tick(1)
  t.equal(socket.closedWith, 1000)
  t.same(await next(), ['disconnected', { willReconnect: true, reason: 'stale' }])
  tick(1000)
  t.not(Puppet.last, socket)
  socket.say({ type: 'disconnect', reason: 'late', reconnect: false })
  socket.lose(4500)
  Puppet.last.open().confirm()
  t.same(await next(), ['connected', { ...first, reconnected: true }], 'what the old one still says is not heard')
})

t.test('a handshake without an answer is given up too', async t => {
  const { cable, tick } = puppetry(t)
  cable.connect()
  tick(31_000)
  t.equal(Puppet.last.closedWith, 1000)
  tick(1000)
  t.equal(Puppet.made.length, 2)
})

t.test('after a sleep the clock tells that the connection is stale, whichever way it jumped', async t => {
  const { cable, tick, page } = puppetry(t)
  cable.connect()
  for (const jump of [3_600_000, -3_600_000]) {
    const socket = Puppet.last.open()
    tick(10_000)
    mock.timers.setTime(Date.now() + jump)
    page.fire('visibilitychange')
    t.equal(socket.closedWith, 1000, String(jump))
    tick(0)
    t.not(Puppet.last, socket, 'and the next attempt is made at once')
  }
})

t.test('a page that comes back to the front, or online, tries at once', async t => {
  const { cable, tick, page } = puppetry(t)
  cable.connect()
  for (let i = 0; i < 8; i++) gapAfter(tick, () => Puppet.last.lose())
  Puppet.last.lose()
  page.document.hidden = true
  page.fire('visibilitychange')
  tick(500)
  t.equal(Puppet.made.length, 9, 'hidden: nothing')
  page.document.hidden = false
  page.fire('visibilitychange')
  tick(0)
  t.equal(Puppet.made.length, 10)
  Puppet.last.lose()
  page.fire('online')
  tick(999)
  t.equal(Puppet.made.length, 10, 'jittered: the whole office comes online together')
  tick(1)
  t.equal(Puppet.made.length, 11)
  Puppet.last.open()
  page.fire('online')
  page.fire('visibilitychange')
  tick(2000)
  t.equal(Puppet.made.length, 11, 'one that lives is left alone')
})

t.test('what wakes the page does not lift the floor of a refusal', async t => {
  const { cable, tick, page } = puppetry(t)
  cable.connect()
  Puppet.last.open().lose(1008)
  tick(1000)
  page.fire('visibilitychange')
  page.fire('online')
  tick(8999)
  t.equal(Puppet.made.length, 1)
  tick(1)
  t.equal(Puppet.made.length, 2)
})

t.test('a hidden page comes back more slowly, but does', async t => {
  const { cable, tick, page } = puppetry(t)
  cable.connect()
  page.document.hidden = true
  const waits = Array.from({ length: 8 }, () => gapAfter(tick, () => Puppet.last.lose()))
  t.same(waits, [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

t.test('a page on its way into the back/forward cache closes, and opens when it is shown again', async t => {
  const { cable, tick, page } = puppetry(t)
  const { callbacks, next, rest } = ear()
  const a = cable.subscribe('A', callbacks)
  Puppet.last.open().confirm()
  await next()
  page.fire('pagehide', { persisted: false })
  t.equal(Puppet.last.closedWith, undefined, 'a page that ends needs no goodbye')
  page.fire('pagehide', { persisted: true })
  t.equal(Puppet.last.closedWith, 1000)
  t.same(await next(), ['disconnected', { willReconnect: true, reason: 'pagehide' }])
  page.fire('pagehide', { persisted: true })
  tick(600_000)
  t.equal(Puppet.made.length, 1, 'nothing happens in the cache')
  t.same(rest, [])
  const answer = a.perform('x')
  page.fire('pageshow', { persisted: true })
  tick(0)
  t.equal(Puppet.made.length, 2)
  Puppet.last.open().confirm()
  t.same(await next(), ['connected', { ...first, reconnected: true }])
  const { id } = Puppet.last.sent.at(-1)
  Puppet.last.say({ type: 'reply', id, status: 'ok', data: 1 })
  t.equal(await answer, 1)
})

t.test('page events are heard once while it runs, and not after it stopped', async t => {
  const { cable, tick, page } = puppetry(t)
  t.equal(page.heard.size, 0, 'nor before')
  cable.connect()
  cable.connect()
  t.same([...page.heard], [['online', 1], ['pagehide', 1], ['pageshow', 1], ['visibilitychange', 1]])
  cable.disconnect()
  t.equal(page.heard.size, 0)
  page.fire('online')
  tick(5000)
  t.equal(Puppet.made.length, 1)
  cable.connect()
  Puppet.last.open('other')
  t.equal(page.heard.size, 0)
  t.equal(Puppet.last.closedWith, 1000, 'an unknown subprotocol')
})

t.test('a socket that closes by itself is not closed again as if it lived', async t => {
  const { cable, tick } = puppetry(t)
  cable.connect()
  const socket = Puppet.last.open()
  cable.disconnect()
  socket.lose(1006)
  socket.onerror!({})
  tick(100_000)
  t.equal(Puppet.made.length, 1)
})

t.test('two thousand clients sent away together come back one by one', async t => {
  const { tick } = puppetry(t)
  const { Cable } = await import('../src/index.ts')
  const cables = Array.from({ length: 2000 }, () => new Cable({ url: 'ws://x/', WebSocket: Puppet }))
  for (const cable of cables) cable.connect()
  for (const socket of Puppet.made.splice(0)) socket.open().lose(1012)
  const perSecond = Array.from({ length: 5 }, () => { tick(1000); return Puppet.made.splice(0).length })
  t.equal(perSecond.reduce((a, b) => a + b), 2000)
  t.ok(perSecond.every(count => count > 280 && count < 520), String(perSecond))
  for (const cable of cables) cable.disconnect()
})

t.test('over real sockets: a cut is noticed, and the same page comes back', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  const { tab, ref } = await peer.accept()
  await next()
  peer.socket.terminate()
  t.same(await next(), ['disconnected', { willReconnect: true, reason: 'lost' }])
  const again = await (await server.peer()).accept()
  t.same(await next(), ['connected', { ...first, reconnected: true }])
  t.equal(again.tab, tab)
  t.ok(again.ref > ref)
})

t.test('over real sockets: a refused handshake is tried again with a pause', async t => {
  const refusals: number[] = []
  const { server, cable } = await setting(t, { random: () => 0.1 }, {
    verifyClient: (_info, done) => {
      refusals.push(Date.now())
      done(refusals.length > 3, refusals.length === 2 ? 503 : 403)
    }
  })
  cable.connect()
  await server.peer()
  t.equal(refusals.length, 4)
  t.ok(refusals.every((at, i) => i === 0 || at - refusals[i - 1]! >= 250))
})

t.test('over real sockets: a server that turns us away for good is left alone', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  await next()
  peer.socket.close(4503, 'protocol')
  t.same(await next(), ['disconnected', { willReconnect: false, reason: 'protocol' }])
})
