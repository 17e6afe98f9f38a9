import t from 'tap'
import { WebSocket } from 'ws'
import { Cable, CableError, cable as ready, createCable } from '../src/index.ts'
import { CountedSocket, ear, first, setting } from './setting.ts'

t.test('a subscribe connects by itself and offers channels-v1', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel', { room: 'general' })
  const peer = await server.peer()
  t.equal(peer.socket.protocol, 'channels-v1')
  const { ref, tab, ...command } = await peer.next()
  t.same(command, { command: 'subscribe', channel: 'ChatChannel', params: { room: 'general' } })
  t.type(ref, 'number')
  t.equal(tab, cable.tab)
  t.ok(tab.length > 8 && tab.length <= 64)
  t.same([chat.channel, chat.params, chat.state], ['ChatChannel', { room: 'general' }, 'waiting'])
})

t.test('a subscription goes from waiting to connected and receives what is sent to it', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  const chat = cable.subscribe('ChatChannel', { room: 1 }, callbacks)
  const peer = await server.peer()
  await peer.accept()
  t.same(await next(), ['connected', first])
  t.equal(chat.state, 'connected')
  for (const data of [{ text: 'hi' }, 0, false, '', null]) {
    peer.say({ type: 'message', channel: 'ChatChannel', params: { room: 1 }, data })
    t.same(await next(), ['received', data])
  }
})

t.test('a message that comes before the confirmation is delivered', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  cable.subscribe('ChatChannel', callbacks)
  const peer = await server.peer()
  const command = await peer.next()
  peer.say({ type: 'message', channel: 'ChatChannel', params: {}, data: 'welcome' })
  peer.confirm(command)
  t.same(await next(), ['received', 'welcome'])
  t.same(await next(), ['connected', first])
})

t.test('a second argument that looks like callbacks is callbacks', async t => {
  const { server, cable } = await setting(t)
  cable.subscribe('A', { received () {} })
  cable.subscribe('B', { received: 'a string' })
  cable.subscribe('C', { received () {}, other () {} })
  cable.subscribe('D', { received: 1 }, { received () {} })
  cable.subscribe('E')
  cable.subscribe('F', {}, { received () {} })
  cable.subscribe('G', null)
  const peer = await server.peer()
  const commands = await Promise.all(Array.from('ABCDEFG', () => peer.next()))
  t.same(commands.map(({ channel, params }) => [channel, params]), [
    ['A', {}], ['B', { received: 'a string' }], ['C', {}], ['D', { received: 1 }], ['E', {}], ['F', {}], ['G', {}]
  ])
})

t.test('callbacks are called on the object they came in', async t => {
  const { server, cable } = await setting(t)
  const heard = new Promise(resolve => {
    cable.subscribe('A', { received (this: unknown, data) { resolve([this === callbacks, data]) } })
    const callbacks = { name: 'mine', received (data: unknown) { resolve([this.name, data]) } }
    cable.subscribe('B', {}, callbacks)
  })
  const peer = await server.peer()
  peer.say({ type: 'message', channel: 'B', params: {}, data: 1 })
  t.same(await heard, ['mine', 1])
})

t.test('params are what the server sees: dates are strings, undefined is nothing, later changes do not count', async t => {
  const { server, cable } = await setting(t)
  const params = { day: new Date(0), none: undefined, list: [1] }
  const { callbacks, next } = ear()
  const subscription = cable.subscribe('A', params, callbacks)
  params.list.push(2)
  const peer = await server.peer()
  const command = await peer.next()
  t.same(command.params, { day: '1970-01-01T00:00:00.000Z', list: [1] })
  t.same(subscription.params, command.params)
  peer.confirm(command)
  t.same(await next(), ['connected', first])
})

t.test('the order of keys in params does not matter, at any depth', async t => {
  const { server, cable } = await setting(t)
  const [one, other] = [ear(), ear()]
  cable.subscribe('A', { a: 1, b: { c: 2, d: 3 } }, one.callbacks)
  cable.subscribe('A', { b: { d: 3, c: 2 }, a: 1 }, other.callbacks)
  const peer = await server.peer()
  const { channel, ref } = await peer.next()
  peer.confirm({ channel, ref, params: { b: { d: 3, c: 2 }, a: 1 } })
  t.same(await one.next(), ['connected', first])
  t.same(await other.next(), ['connected', first])
  peer.say({ type: 'message', channel, params: { a: 1, b: { d: 3, c: 2 } }, data: 1 })
  t.same([await one.next(), await other.next()], [['received', 1], ['received', 1]])
  t.same(await peer.rest(), [])
})

t.test('identical subscriptions share one, and the last to leave ends it', async t => {
  const { server, cable } = await setting(t)
  const [one, other] = [ear(), ear()]
  const a = cable.subscribe('A', one.callbacks)
  const b = cable.subscribe('A', other.callbacks)
  const peer = await server.peer()
  await peer.accept()
  await one.next()
  await other.next()
  a.unsubscribe()
  a.unsubscribe()
  t.equal(a.state, 'unsubscribed')
  // The turn in which a leave would be said is over.
  await new Promise(resolve => setTimeout(resolve))
  t.same(await peer.rest(), [])
  peer.say({ type: 'message', channel: 'A', params: {}, data: 1 })
  t.same(await other.next(), ['received', 1])
  b.unsubscribe()
  t.same(await peer.next(), { command: 'unsubscribe', channel: 'A', params: {} })
  t.same(one.rest, [])
  t.same(await peer.rest(), [])
})

t.test('one that comes later to a confirmed subscription is connected, asynchronously', async t => {
  const { server, cable } = await setting(t)
  const [one, late] = [ear(), ear()]
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  await peer.accept({ streams: { s: 'e.3' } })
  await one.next()
  const subscription = cable.subscribe('A', late.callbacks)
  t.same(late.rest, [])
  t.equal(subscription.state, 'waiting')
  t.same(await late.next(), ['connected', first])
  peer.say({ type: 'broadcast', stream: 's', at: 'e.4', data: 'both' })
  t.same([await one.next(), await late.next()], [['received', 'both'], ['received', 'both']])
  t.same(await peer.rest(), [])
})

t.test('one that came late and left at once hears nothing', async t => {
  const { server, cable } = await setting(t)
  const [one, late] = [ear(), ear()]
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  await peer.accept()
  await one.next()
  cable.subscribe('A', late.callbacks).unsubscribe()
  t.same(await peer.rest(), [])
  t.same(late.rest, [])
})

t.test('leaving and coming back in one turn says nothing to the server', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  const before = cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept({ streams: { s: 'e.1' } })
  await next()
  before.unsubscribe()
  cable.subscribe('A').unsubscribe()
  cable.subscribe('A', callbacks)
  t.same(await next(), ['connected', first])
  await new Promise(resolve => setTimeout(resolve))
  t.same(await peer.rest(), [])
  peer.say({ type: 'broadcast', stream: 's', at: 'e.2', data: 1 })
  t.same(await next(), ['received', 1])
})

t.test('leaving before the socket opens leaves nothing behind', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, rest } = ear()
  cable.subscribe('A', callbacks).unsubscribe()
  const gone = cable.subscribe('B', callbacks)
  cable.subscribe('C')
  gone.unsubscribe()
  const peer = await server.peer()
  t.equal((await peer.next()).channel, 'C')
  t.same(await peer.rest(), [])
  peer.say({ type: 'message', channel: 'A', params: {}, data: 1 })
  t.same(await peer.rest(), [])
  t.same(rest, [])
})

t.test('leaving before the confirmation tells the server, and the late confirmation is ignored', async t => {
  const { server, cable } = await setting(t)
  const [one, other] = [ear(), ear()]
  const a = cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  const before = await peer.next()
  a.unsubscribe()
  t.equal((await peer.next()).command, 'unsubscribe')
  cable.subscribe('A', other.callbacks)
  const after = await peer.next()
  t.ok(after.ref > before.ref)
  peer.confirm(before, { recovered: false })
  peer.say({ type: 'reject_subscription', channel: 'A', params: {}, ref: before.ref })
  peer.confirm(after)
  t.same(await other.next(), ['connected', first])
  t.same(one.rest, [])
})

t.test('a rejected subscription is over, and may be tried again', async t => {
  const { server, cable } = await setting(t)
  const [one, other, again] = [ear(), ear(), ear()]
  const a = cable.subscribe('A', one.callbacks)
  cable.subscribe('A', other.callbacks)
  const peer = await server.peer()
  const { ref } = await peer.next()
  peer.say({ type: 'reject_subscription', channel: 'A', params: {}, ref })
  t.same(await one.next(), ['rejected', { reason: null }])
  t.same(await other.next(), ['rejected', { reason: null }])
  t.equal(a.state, 'rejected')
  await t.rejects(a.perform('speak'), new CableError('rejected'))
  a.unsubscribe()
  t.equal(a.state, 'rejected')
  cable.subscribe('A', again.callbacks)
  const second = await peer.next()
  peer.say({ type: 'reject_subscription', channel: 'A', params: {}, ref: second.ref, reason: 'unknown_channel' })
  t.same(await again.next(), ['rejected', { reason: 'unknown_channel' }])
  peer.restart()
  const next = await server.peer()
  t.same(await next.rest(), [])
})

t.test('a rejected callback may subscribe again at once', async t => {
  const { server, cable } = await setting(t)
  const again = ear()
  cable.subscribe('A', { rejected () { cable.subscribe('A', again.callbacks) } })
  const peer = await server.peer()
  const { ref } = await peer.next()
  peer.say({ type: 'reject_subscription', channel: 'A', params: {}, ref })
  await peer.accept()
  t.same(await again.next(), ['connected', first])
})

t.test('two connects open one socket', async t => {
  const { server, cable } = await setting(t, { WebSocket: CountedSocket })
  CountedSocket.made = 0
  cable.connect()
  cable.connect()
  cable.subscribe('A')
  const peer = await server.peer()
  await peer.accept()
  cable.connect()
  t.same(await peer.rest(), [])
  t.equal(CountedSocket.made, 1)
})

t.test('connecting elsewhere moves the subscriptions there', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  await next()
  cable.connect(server.url + '?other')
  t.same(await next(), ['disconnected', { willReconnect: true, reason: 'moved' }])
  await (await server.peer()).accept()
  t.same(await next(), ['connected', { ...first, reconnected: true }])
  t.equal(await peer.closed, 1000)
})

t.test('disconnect closes, and connect subscribes again what is still subscribed', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next, rest } = ear()
  cable.subscribe('A', callbacks)
  const gone = cable.subscribe('B')
  const peer = await server.peer()
  await peer.accept()
  await next()
  cable.disconnect()
  t.same(await next(), ['disconnected', { willReconnect: false, reason: 'disconnect' }])
  t.equal(await peer.closed, 1000)
  cable.disconnect()
  t.same(rest, [])
  gone.unsubscribe()
  cable.subscribe('C')
  t.same(server.rest, [], 'a subscribe does not undo a disconnect')
  cable.connect()
  const again = await server.peer()
  t.same((await again.rest()).map(({ channel }) => channel), ['A', 'C'])
})

t.test('a throwing or rejecting callback is reported and starves nobody', async t => {
  const { server, cable } = await setting(t)
  const reported = t.capture(console, 'error')
  const { callbacks, next } = ear()
  cable.subscribe('A', { connected () { throw new Error('one') }, async received () { throw new Error('two') } })
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  t.same(await next(), ['connected', first])
  peer.say({ type: 'message', channel: 'A', params: {}, data: 1 })
  t.same(await next(), ['received', 1])
  t.same(await peer.rest(), [])
  t.same(reported().map(({ args: [error] }) => (error as Error).message), ['one', 'two'])
})

t.test('reportError is used where there is one', async t => {
  const errors: unknown[] = []
  t.intercept(globalThis, 'reportError' as never, { value: (error: unknown) => errors.push(error), configurable: true } as never)
  const { server, cable } = await setting(t)
  cable.subscribe('A', { connected () { throw new Error('seen') } })
  const peer = await server.peer()
  await peer.accept()
  await peer.rest()
  t.match(errors, [{ message: 'seen' }])
})

t.test('one unsubscribed by another callback hears nothing more', async t => {
  const { server, cable } = await setting(t)
  const [one, other, fence] = [ear(), ear(), ear()]
  cable.subscribe('A', { received: () => { second.unsubscribe(); cable.subscribe('A', fence.callbacks) } })
  const second = cable.subscribe('A', other.callbacks)
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  await peer.accept()
  await one.next()
  await other.next()
  peer.say({ type: 'message', channel: 'A', params: {}, data: 1 })
  t.same(await one.next(), ['received', 1])
  t.same(await fence.next(), ['connected', first], 'who came during a delivery hears the next one')
  t.same(other.rest, [])
})

t.test('a subscription is disposable where the runtime knows how', async t => {
  const { cable } = await setting(t)
  const subscription = cable.subscribe('A')
  if (Symbol.dispose === undefined) return t.equal(Object.getOwnPropertySymbols(subscription).length, 0)
  subscription[Symbol.dispose]()
  t.equal(subscription.state, 'unsubscribed')
})

t.test('a url becomes a WebSocket url', async t => {
  const made: string[] = []
  class Noted extends WebSocket {
    constructor (url: string, protocols: string) {
      super(url, protocols)
      made.push(url)
    }
  }
  const { server } = await setting(t)
  const { port } = server
  const opened = (options: { url?: string }) => {
    const cable = new Cable({ WebSocket: Noted, ...options })
    cable.connect()
    cable.disconnect()
    return made.at(-1)
  }
  t.throws(() => opened({}), { name: 'TypeError' }, 'Node has no current host')
  t.equal(opened({ url: `http://127.0.0.1:${port}/live?x=1` }), `ws://127.0.0.1:${port}/live?x=1`)
  t.equal(opened({ url: 'https://127.0.0.1:1/live' }), 'wss://127.0.0.1:1/live')
  t.equal(opened({ url: 'wss://127.0.0.1:1/live' }), 'wss://127.0.0.1:1/live')
  t.intercept(globalThis, 'location' as never, { value: { href: `http://127.0.0.1:${port}/rooms/1?a#b` }, configurable: true } as never)
  t.equal(opened({}), `ws://127.0.0.1:${port}/cable`)
  t.equal(opened({ url: '/live' }), `ws://127.0.0.1:${port}/live`)
  t.equal(opened({ url: 'live' }), `ws://127.0.0.1:${port}/rooms/live`)
  t.intercept(globalThis, 'location' as never, { value: { href: 'https://127.0.0.1:1/' }, configurable: true } as never)
  t.equal(opened({}), 'wss://127.0.0.1:1/cable')
})

t.test('the package exports a ready cable, a class, a factory and an error', async t => {
  t.type(ready, Cable)
  t.type(createCable({ url: 'ws://127.0.0.1:1' }), Cable)
  t.match(new CableError('timeout', 1), { name: 'CableError', message: 'timeout', reason: 'timeout', data: 1 })
})

t.test('a subscribe that cannot open a socket throws, and can be tried again', async t => {
  const { server, cable } = await setting(t, { url: 'nonsense' })
  t.throws(() => cable.subscribe('A'))
  t.throws(() => cable.subscribe('A'))
  cable.connect(server.url)
  cable.subscribe('A')
  t.match(await (await server.peer()).next(), { channel: 'A' })
})
