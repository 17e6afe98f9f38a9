// Hostile handshakes on bare TCP: each gets its status, no socket is left behind, and a cross-site page never gets in.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import type { FastifyInstance } from 'fastify'
import { chromium } from 'playwright-core'
import tap from 'tap'
import { originCheck, Complaints } from '../src/origin.ts'
import { hostCheck } from '../src/host.ts'
import { alarms, start, until, watchProcess } from './corpus/app.ts'
import { goodOrigins, handshakes, hostileOrigins } from './corpus/handshakes.ts'
import { frame, Peer, requestHead } from './corpus/raw.ts'

const secret = 'a secret of at least thirty-two characters'

/** Sockets that the server has open, whatever became of them. */
function sockets (app: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error)))
}

function plainRoutes (app: FastifyInstance): void {
  app.get('/plain', () => 'plain')
  app.all('/all', () => 'all')
  app.register(async inner => { inner.get('/inner/plain', () => 'plain') })
}

tap.test('each handshake gets its status, and what is refused is closed', async t => {
  const { app, log, port, connections } = await start({ origin: 'https://app.example', limits: { upgradeTimeout: 1000 } }, plainRoutes)
  const watch = watchProcess()
  t.teardown(() => { watch.stop(); return app.close() })
  for (const { row, about, change, line, status, answer } of handshakes) {
    await t.test(`${row}: ${about}`, async t => {
      const peer = new Peer(port)
      t.equal(await peer.handshake(requestHead(change, line)), status, peer.head)
      for (const [name, value] of Object.entries(answer ?? {})) {
        const found = new RegExp(`^${name}: (.*)$`, 'im').exec(peer.head)?.[1] ?? null
        t.equal(found, value, name)
      }
      if (status === 101) {
        peer.say('{"command":"subscribe","channel":"FreeChannel"}')
        t.match(await peer.nextText(), { type: 'confirm_subscription' }, 'and the socket works')
        peer.destroy()
      }
      // The peer never hangs up by itself: it is the server that must.
      await peer.ended()
      t.same(watch.faults.splice(0), [], 'the process saw nothing')
    })
  }
  await until(() => connections() === 0)
  while (await sockets(app) > 0) await new Promise(resolve => setImmediate(resolve))
  t.same(alarms(log), [], 'nobody was woken')
})

tap.test('no route but the socket’s own answers an upgrade, and plain requests still get their answers', async t => {
  const { app } = await start({}, plainRoutes)
  t.teardown(() => app.close())
  t.equal((await app.inject('/plain')).body, 'plain')
  t.equal((await app.inject({ method: 'PUT', url: '/all' })).body, 'all')
  t.equal((await app.inject({ method: 'HEAD', url: '/plain' })).statusCode, 200)
  t.equal((await app.inject('/cable')).statusCode, 426)
})

tap.test('a cross-site page never gets in', async t => {
  const options = { 'its own host': undefined, 'a list': ['https://app.example'], 'a pattern': /https:\/\/app\.example/, 'an object': { allow: 'https://app.example' } }
  for (const [name, origin] of Object.entries(options)) {
    const { app, log, port, connections } = await start(origin === undefined ? {} : { origin })
    t.teardown(() => app.close())
    for (const hostile of hostileOrigins) {
      // The very same name on another scheme is one's own page where TLS ends at a proxy.
      const peer = new Peer(port)
      const status = await peer.handshake(requestHead({ Origin: hostile }))
      // Bytes that HTTP does not allow are refused before anybody reads an origin.
      t.ok(status === 403 || (status === 400 && /[\t]/.test(String(hostile))), `${name}: ${JSON.stringify(hostile)} gets ${status}`)
      await peer.ended()
    }
    t.equal(connections(), 0, 'no connection was opened')
    for (const { origin, host = 'app.example', cookie = null } of goodOrigins) {
      // A pattern is the app's own: it says what it means.
      if (name === 'a pattern' && origin !== null && origin !== 'https://app.example') continue
      const peer = await Peer.open(port, { Origin: origin, Host: host, Cookie: cookie })
      t.equal(peer.status, 101, `${name}: ${origin} at ${host} is let in`)
      peer.destroy()
    }
    await until(() => connections() === 0)
    t.same(alarms(log), [])
  }
})

tap.test('the scheme counts where an option names one, and only there', async t => {
  const [named, host] = [await start({ origin: 'https://app.example' }), await start()]
  t.teardown(() => Promise.all([named.app.close(), host.app.close()]))
  t.equal(await new Peer(named.port).handshake(requestHead({ Origin: 'http://app.example' })), 403)
  const peer = await Peer.open(host.port, { Origin: 'http://app.example' })
  peer.destroy()
  t.pass('TLS may end at a proxy')
})

tap.test('an option may be anybody, a host alone, or an origin; a default port is none', async t => {
  const asks = (option: string, origin: string, host = 'elsewhere.example') => originCheck(option)({ headers: { origin }, host } as never)
  for (const [option, origin, isAllowed] of [
    ['*', 'https://evil.test', true],
    ['*', 'null', true],
    ['app.example', 'https://app.example', true],
    ['app.example', 'http://app.example', true],
    ['app.example', 'https://app.example:8443', false],
    ['app.example', 'https://elsewhere.example', false],
    ['app.example:8443', 'https://app.example:8443', true],
    ['https://app.example', 'https://app.example:443', true],
    ['https://app.example', 'https://app.example:80', false],
    ['http://app.example', 'http://app.example:80', true],
    ['http://app.example', 'http://app.example:443', false]
  ] as const) t.equal(await asks(option, origin), isAllowed, `${origin} where ${option} is allowed`)
})

tap.test('a client without an origin is let in, unless origins are required', async t => {
  const { app, port } = await start({ origin: { required: true } })
  t.teardown(() => app.close())
  t.equal(await new Peer(port).handshake(requestHead()), 403)
  t.equal(await new Peer(port).handshake(requestHead({ Origin: '' })), 403)
  const peer = await Peer.open(port, { Origin: 'http://app.example' })
  peer.destroy()
})

tap.test('two apps with different lists, asked in both orders, each decide for themselves', async t => {
  const lists = [['https://one.example'], ['https://two.example']]
  for (const order of [[0, 1], [1, 0]]) {
    const apps = [await start({ origin: lists[0]! }), await start({ origin: lists[1]! })]
    for (const first of order) {
      for (const [list, origin] of [[0, 'https://one.example'], [1, 'https://two.example']] as const) {
        const peer = new Peer(apps[first]!.port)
        t.equal(await peer.handshake(requestHead({ Origin: origin })), list === first ? 101 : 403)
        peer.destroy()
      }
    }
    await Promise.all(apps.map(({ app }) => app.close()))
  }
})

tap.test('a refused origin is logged once a minute, with the option to paste, on one line', async t => {
  const { app, log, port } = await start()
  t.teardown(() => app.close())
  for (let attempt = 0; attempt < 5; attempt++) t.equal(await new Peer(port).handshake(requestHead({ Origin: 'https://evil.test' })), 403)
  t.equal(await new Peer(port).handshake(requestHead({ Origin: 'https://other.test' })), 403)
  const lines = log.filter(({ level }) => level === 40)
  t.same(lines.map(({ origin }) => origin), ['https://evil.test', 'https://other.test'])
  t.match(lines[0]!.msg, 'register(channels, { origin: "https://evil.test" })')
})

tap.test('complaints about origins stay bounded, and come again after a minute', async t => {
  const complaints = new Complaints()
  t.ok(complaints.isNew('https://a.test', 0))
  t.notOk(complaints.isNew('https://a.test', 59_999))
  t.ok(complaints.isNew('https://a.test', 60_000))
  let told = 0
  for (let n = 0; n < 5000; n++) if (complaints.isNew(`https://${n}.test`, 60_001)) told++
  t.equal(told, 999, 'a flood of origins is no flood of lines')
  t.ok(complaints.isNew('https://b.test', 180_000), 'and is forgotten after its minute')
})

tap.test('an origin option that cannot work is an error at boot', async t => {
  for (const wrong of ['', 'https://app.example/', 'https://a, https://b', 'https://app@b', 'https://'] as const) {
    t.throws(() => originCheck(wrong), { code: 'FST_CHANNELS_INVALID_OPTION' }, JSON.stringify(wrong))
  }
  t.throws(() => originCheck([7] as never), { code: 'FST_CHANNELS_INVALID_OPTION' })
})

tap.test('a host that is none of ours is refused, so that a name pointed at our address opens nothing', async t => {
  const { app, port } = await start({ hosts: ['app.example', 'localhost:3000'] } as object)
  t.teardown(() => app.close())
  const cases = { 'evil.test': 403, 'app.example': 101, 'APP.example:8080': 101, 'localhost:3000': 101, localhost: 403, 'localhost:3001': 403, 'app.example.evil.test': 403, '127.0.0.1': 403, 'app.example.': 403, '[::1]:3000': 403, 'app@evil': 400, '': 400 }
  for (const [host, status] of Object.entries(cases)) {
    const peer = new Peer(port)
    t.equal(await peer.handshake(requestHead({ Host: host, Origin: `http://${host}` })), status, host)
    peer.destroy()
  }
})

tap.test('a hosts option that cannot work is an error at boot', async t => {
  for (const wrong of ['', 'https://app.example', 'a b', ['app.example', 7], 'app.example/']) t.throws(() => hostCheck(wrong as never), { code: 'FST_CHANNELS_INVALID_OPTION' }, JSON.stringify(wrong))
})

tap.test('whatever the cookie is, a visitor it does not name is a visitor', async t => {
  const users = new Map([['ana', { id: 'ana' }]])
  const { app, log, port } = await start({ cookie: { secret: [secret, 'an old secret of at least thirty-two characters'] }, session: { cookie: 'session' }, findUser: id => users.get(id) })
  t.teardown(() => app.close())
  const signed = app.signCookie('ana')
  const stranger = await start({ cookie: { secret: `${secret} of another app` }, session: { cookie: 'session' }, findUser: () => null })
  const old = await start({ cookie: { secret: 'an old secret of at least thirty-two characters' }, session: { cookie: 'session' }, findUser: () => null })
  t.teardown(() => Promise.all([stranger.app.close(), old.app.close()]))
  const cases: Array<[string, string | null, boolean]> = [
    ['none', null, false],
    ['a good one', `session=${encodeURIComponent(signed)}`, true],
    ['of a key that was rotated out of first place', `session=${encodeURIComponent(old.app.signCookie('ana'))}`, true],
    ['tampered with', `session=${encodeURIComponent(signed.replace('ana', 'eve'))}`, false],
    ['without its signature', 'session=ana', false],
    ['with an empty signature', 'session=ana.', false],
    ['empty', 'session=', false],
    ['a dot', 'session=.', false],
    ['with padding', `session=${encodeURIComponent(`${signed}=`)}`, false],
    ['cut short', `session=${encodeURIComponent(signed.slice(0, -1))}`, false],
    ['of another app', `session=${encodeURIComponent(stranger.app.signCookie('ana'))}`, false],
    ['that cannot be decoded', 'session=%zz', false],
    ['twice, the false one first', `session=x; session=${encodeURIComponent(signed)}`, false],
    ['under another name', `other=${encodeURIComponent(signed)}`, false],
    ['under a name that every object has', `__proto__=${encodeURIComponent(signed)}; constructor=x; toString=y`, false]
  ]
  for (const [about, cookie, isAna] of cases) {
    const peer = await Peer.open(port, { Cookie: cookie })
    peer.say('{"command":"subscribe","channel":"InboxChannel"}')
    t.equal((await peer.nextText()).type, isAna ? 'confirm_subscription' : 'reject_subscription', `a cookie ${about}`)
    peer.destroy()
  }
  t.same(alarms(log), [], 'nobody was woken')
})

tap.test('a session store that throws is 503, one that hangs as well, and each wakes somebody once', async t => {
  let answer: () => unknown = () => { throw new Error('the store is away') }
  const { app, log, port, connections } = await start({ session: () => answer() as null, findUser: () => null, limits: { identifyTimeout: 50 } })
  t.teardown(() => app.close())
  const throws = new Peer(port)
  t.equal(await throws.handshake(requestHead()), 503)
  t.match(throws.head, /retry-after: 5/i)
  await throws.ended()
  answer = () => Promise.reject(new Error('the store is away'))
  t.equal(await new Peer(port).handshake(requestHead()), 503)
  answer = () => new Promise(() => {})
  const hangs = new Peer(port)
  t.equal(await hangs.handshake(requestHead()), 503)
  await hangs.ended()
  t.equal(alarms(log).length, 3)
  for (const id of [{ id: 'ana' }, {}, [], true, NaN, Symbol('ana')]) {
    answer = () => id
    t.equal(await new Peer(port).handshake(requestHead()), 503, 'what is no id must not be anybody’s')
  }
  for (const id of [null, undefined, 'ana', '', 7, 0, 7n]) {
    answer = () => id
    const peer = await Peer.open(port)
    peer.destroy()
  }
  await until(() => connections() === 0)
})

tap.test('a peer that resets its line while a hook runs is nobody’s problem', async t => {
  const running: Array<() => void> = []
  const { app, log, port, connections } = await start({ session: () => new Promise(resolve => running.push(() => resolve(null))), findUser: () => null })
  const watch = watchProcess()
  t.teardown(() => { watch.stop(); return app.close() })
  for (const leave of ['reset', 'destroy'] as const) {
    for (let n = 0; n < 20; n++) {
      const peer = new Peer(port)
      peer.write(requestHead())
      await until(() => running.length > 0)
      peer[leave]()
      await peer.ended()
      running.pop()!()
      while (await sockets(app) > 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  const peer = new Peer(port)
  peer.write(requestHead())
  await until(() => running.length > 0)
  running.pop()!()
  await peer.until(() => peer.status === 101)
  t.equal(connections(), 1, 'only who is still there is a connection')
  peer.destroy()
  await until(() => connections() === 0)
  t.same(log.filter(({ level }) => level > 30), [], 'nothing is logged above info')
  t.same(watch.faults, [])
})

tap.test('a handshake that hangs is cut, and so is one that was answered and never closed', async t => {
  const { app, port } = await start({ limits: { upgradeTimeout: 100 } }, app => { app.get('/hang', { onRequest: () => {} } as object, () => 'never') })
  t.teardown(() => app.close())
  const lines = ['GET /hang HTTP/1.1', 'GET /%zz HTTP/1.1', 'GET /%c0%af HTTP/1.1']
  const peers = lines.flatMap(line => Array.from({ length: 20 }, () => {
    const peer = new Peer(port)
    peer.write(requestHead({}, line))
    return peer
  }))
  const good = await Peer.open(port)
  for (const peer of peers) await peer.ended()
  while (await sockets(app) > 1) await new Promise(resolve => setImmediate(resolve))
  good.say('{"command":"subscribe","channel":"FreeChannel"}')
  t.match(await good.nextText(), { type: 'confirm_subscription' }, 'who was let in is not cut with them')
  good.destroy()
})

tap.test('frames that were sent before the handshake was answered are heard', async t => {
  const { app, port } = await start()
  t.teardown(() => app.close())
  const peer = new Peer(port)
  await peer.handshake(Buffer.concat([Buffer.from(requestHead()), frame('{"command":"subscribe","channel":"FreeChannel"}')]))
  t.match(await peer.nextText(), { type: 'confirm_subscription', channel: 'FreeChannel' })
  peer.destroy()
})

tap.test('an origin function that throws is 500 and no connection', async t => {
  const { app, port, connections } = await start({ origin: () => { throw new Error('away') } })
  t.teardown(() => app.close())
  const peer = new Peer(port)
  t.equal(await peer.handshake(requestHead({ Origin: 'https://app.example' })), 500)
  await peer.ended()
  t.equal(connections(), 0)
})

tap.test('in a real browser, a page of another origin gets an error, and one of this origin a socket', async t => {
  const opens = '<script>const ws = new WebSocket(location.hash.slice(1)); ws.onopen = () => { document.title = "open" }; ws.onerror = () => { document.title = "error" }</script>'
  const { app, port, connections } = await start({}, app => { app.get('/page', (_request, reply) => reply.type('text/html').send(opens)) })
  const elsewhere = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(opens)).listen(0, '127.0.0.1')
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
  t.teardown(async () => {
    await browser.close()
    elsewhere.close()
    await app.close()
  })
  const cable = `ws://127.0.0.1:${port}/cable`
  const page = await browser.newPage()
  for (const [url, title] of [[`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`, 'error'], [`http://localhost:${port}/page`, 'error'], ['data:text/html,', 'error'], [`http://127.0.0.1:${port}/page`, 'open']] as const) {
    await page.goto(url.startsWith('data:') ? `${url}${encodeURIComponent(opens)}#${cable}` : `${url}#${cable}`)
    await page.waitForFunction('document.title !== ""')
    t.equal(await page.title(), title, url)
    t.equal(connections(), title === 'open' ? 1 : 0)
  }
})

tap.test('the signature of a cookie binds its value and not its name, and `unsign` can bind both', async t => {
  const findUser = (id: string) => ({ id })
  const inbox = '{"command":"subscribe","channel":"InboxChannel"}'
  const loose = await start({ cookie: { secret }, session: { cookie: 'session' }, findUser })
  const strict = await start({
    cookie: { secret },
    session: { cookie: 'session', unsign: (signed, request) => { const { valid, value } = request.unsignCookie(signed); return valid && value!.startsWith('session:') ? value!.slice(8) : null } },
    findUser
  })
  t.teardown(() => Promise.all([loose.app.close(), strict.app.close()]))
  // What the app signed as the visitor's choice of a theme.
  const theme = loose.app.signCookie('ana')
  for (const [{ port }, value, type] of [[loose, theme, 'confirm_subscription'], [strict, theme, 'reject_subscription'], [strict, strict.app.signCookie('session:ana'), 'confirm_subscription']] as const) {
    const peer = await Peer.open(port, { Cookie: `session=${encodeURIComponent(value)}` })
    peer.say(inbox)
    t.equal((await peer.nextText()).type, type)
    peer.destroy()
  }
})

tap.test('what stands below is no older than it may be, and there is one ws', async t => {
  const require = createRequire(new URL('../src/plugin.ts', import.meta.url))
  const version = (from: NodeJS.Require, name: string) => from(`${name}/package.json`).version.split('.').map(Number)
  const isAtLeast = (version: number[], floor: number[]) => version.map((part, index) => part - floor[index]!).find(difference => difference !== 0) ?? 0
  for (const [name, floor] of [['ws', [8, 23, 0]], ['@fastify/websocket', [11, 3, 2]], ['fastify', [5, 12, 2]]] as const) {
    t.ok(isAtLeast(version(require, name), [...floor]) >= 0, `${name} ${version(require, name).join('.')}`)
  }
  t.equal(require.resolve('ws'), createRequire(require.resolve('@fastify/websocket')).resolve('ws'))
})
