import { once } from 'node:events'
import t from 'tap'
import { CableError } from '../src/index.ts'
import { Puppet, puppetry } from './puppet.ts'
import { ear, failure, first, setting } from './setting.ts'

t.test('perform runs an action and resolves to what it returned', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel', { room: 1 })
  const peer = await server.peer()
  await peer.accept()
  for (const [data, answer] of [[{ message: 'hi' }, { id: 1 }], [0, 0], [false, false], ['', ''], [null, null], [undefined, undefined]]) {
    const answered = chat.perform('speak', data)
    const { id, ...command } = await peer.next()
    t.same(command, { command: 'message', channel: 'ChatChannel', params: { room: 1 }, action: 'speak', ...(data === undefined ? {} : { data }) })
    peer.say({ type: 'reply', id, status: 'ok', data: answer })
    t.equal(JSON.stringify(await answered), JSON.stringify(answer))
  }
})

t.test('send is short for perform receive', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  const answered = chat.send({ message: 'hi' })
  const { id, action, data } = await peer.next()
  t.same([action, data], ['receive', { message: 'hi' }])
  peer.say({ type: 'reply', id, status: 'ok', data: 7 })
  t.equal(await answered, 7)
})

t.test('each answer goes to its own call, in whatever order they come', async t => {
  const { server, cable } = await setting(t)
  const [a, b] = [cable.subscribe('A'), cable.subscribe('B')]
  const peer = await server.peer()
  await peer.accept()
  await peer.accept()
  const answers = [a.perform('x', 1), b.perform('x', 2), a.perform('x', 3)]
  const commands = [await peer.next(), await peer.next(), await peer.next()]
  for (const { id, data } of commands.reverse()) peer.say({ type: 'reply', id, status: 'ok', data: data * 10 })
  t.same(await Promise.all(answers), [10, 20, 30])
})

t.test('an action that refuses rejects with the reason and the data of the server', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  for (const [reason, data] of [['too_long', { max: 10 }], ['error', undefined], ['unknown_action', undefined]] as const) {
    const answered = chat.perform('speak')
    const { id } = await peer.next()
    peer.say({ type: 'reply', id, status: 'error', reason, data })
    t.match(await failure(answered), { name: 'CableError', message: reason, reason, data })
  }
})

t.test('calls wait for the confirmation and leave in order', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const answers = [1, 2, 3].map(n => chat.perform('count', n))
  const peer = await server.peer()
  const subscribe = await peer.next()
  t.same(await peer.rest(), [])
  peer.confirm(subscribe)
  for (const n of [1, 2, 3]) {
    const { id, data } = await peer.next()
    t.equal(data, n)
    peer.say({ type: 'reply', id, status: 'ok', data })
  }
  t.same(await Promise.all(answers), [1, 2, 3])
})

t.test('calls made while the connection is away wait for the next one', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  const chat = cable.subscribe('ChatChannel', callbacks)
  const peer = await server.peer()
  await peer.accept()
  await next()
  peer.restart()
  t.match(await next(), ['disconnected', { willReconnect: true }])
  const answered = chat.perform('speak', 'late')
  const again = await server.peer()
  await again.accept()
  const { id, data } = await again.next()
  t.equal(data, 'late')
  again.say({ type: 'reply', id, status: 'ok', data: 'heard' })
  t.equal(await answered, 'heard')
})

t.test('a call that was written is never written twice: nobody knows whether it ran', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  const answered = chat.perform('speak', 'once')
  await peer.next()
  peer.socket.terminate()
  await t.rejects(answered, new CableError('disconnected'))
  const again = await server.peer()
  await again.accept()
  t.same(await again.rest(), [])
})

t.test('a rejected subscription fails what waited for it', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const answered = chat.perform('speak')
  const peer = await server.peer()
  const { ref } = await peer.next()
  peer.say({ type: 'reject_subscription', channel: 'ChatChannel', params: {}, ref })
  await t.rejects(answered, new CableError('rejected'))
  await t.rejects(chat.perform('speak'), new CableError('rejected'))
  t.same(await peer.rest(), [])
})

t.test('leaving fails what waited; what was sent before is still answered', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  const waiting = cable.subscribe('A')
  const chat = cable.subscribe('B', callbacks)
  const peer = await server.peer()
  await peer.next()
  await peer.accept()
  await next()
  const [early, sent] = [waiting.perform('x'), chat.perform('y')]
  const { id } = await peer.next()
  waiting.unsubscribe()
  chat.unsubscribe()
  await t.rejects(early, new CableError('unsubscribed'))
  await t.rejects(chat.perform('x'), new CableError('unsubscribed'))
  peer.say({ type: 'reply', id, status: 'ok', data: 1 })
  t.equal(await sent, 1)
})

t.test('a stopped cable refuses at once', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  const answered = chat.perform('speak')
  cable.disconnect()
  await t.rejects(answered, new CableError('disconnected'))
  await t.rejects(chat.perform('speak'), new CableError('disconnected'))
})

t.test('at most 100 calls of a subscription wait', async t => {
  const { server, cable } = await setting(t)
  const [chat, other] = [cable.subscribe('ChatChannel'), cable.subscribe('B')]
  const answers = Array.from({ length: 100 }, (_, n) => chat.perform('count', n))
  await t.rejects(chat.perform('count', 100), new CableError('overflow'))
  other.perform('count', 'another subscription has its own')
  const peer = await server.peer()
  await peer.accept()
  for (let n = 0; n < 100; n++) {
    let command = await peer.next()
    while (command.command !== 'message') command = await peer.next()
    t.equal(command.data, n)
    peer.say({ type: 'reply', id: command.id, status: 'ok', data: n })
  }
  t.same(await Promise.all(answers), Array.from({ length: 100 }, (_, n) => n))
  t.equal(await Promise.race([chat.perform('count', 101), peer.next().then(({ data }) => data)]), 101)
})

t.test('a call gives up after its time, wherever it is by then', async t => {
  const { cable, tick } = puppetry(t)
  const chat = cable.subscribe('ChatChannel')
  const settled: string[] = []
  const note = (name: string) => ({ reason }: CableError) => { settled.push(`${name}: ${reason}`) }
  chat.perform('x').catch(note('usual'))
  chat.perform('x', null, { timeout: 50 }).catch(note('short'))
  chat.perform('x', null, { timeout: Infinity }).catch(note('endless'))
  tick(49)
  await null
  t.same(settled, [])
  tick(1)
  await null
  t.same(settled, ['short: timeout'])
  const socket = Puppet.last.open()
  socket.confirm()
  t.equal(socket.sent.length, 2, 'what timed out is not sent any more')
  tick(9949)
  await null
  t.equal(settled.length, 1)
  tick(1)
  await null
  t.same(settled, ['short: timeout', 'usual: timeout'], 'from the call on, not from the sending')
  const { id } = socket.sent[0]
  socket.say({ type: 'reply', id, status: 'ok', data: 'too late' })
  tick(20_000)
  await null
  t.equal(settled.length, 2)
  socket.lose()
  await null
  t.equal(settled[2], 'endless: disconnected')
})

t.test('the cable may say how long its calls wait', async t => {
  const { cable, tick } = puppetry(t, { timeout: 3000 })
  const failed = t.rejects(cable.subscribe('A').perform('x'), new CableError('timeout'))
  tick(2999)
  tick(1)
  await failed
})

t.test('a signal gives a call up, before or after it was sent', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const [early, late] = [new AbortController(), new AbortController()]
  const never = chat.perform('x', 1, { signal: AbortSignal.abort(new Error('before')) })
  const waiting = chat.perform('x', 2, { signal: early.signal })
  early.abort(new Error('while waiting'))
  t.match(await failure(never), { message: 'before' })
  t.match(await failure(waiting), { message: 'while waiting' })
  const peer = await server.peer()
  await peer.accept()
  const sent = chat.perform('x', 3, { signal: late.signal })
  const { id, data } = await peer.next()
  t.equal(data, 3, 'the others never left')
  late.abort()
  t.match(await failure(sent), { name: 'AbortError' })
  peer.say({ type: 'reply', id, status: 'ok' })
  t.same(await peer.rest(), [])
})

t.test('a signal that outlives its calls does not hold them', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  const { signal } = new AbortController()
  let listeners = 0
  t.intercept(signal, 'addEventListener' as never, { value: () => { listeners++ } } as never)
  t.intercept(signal, 'removeEventListener' as never, { value: () => { listeners-- } } as never)
  const answered = chat.perform('x', null, { signal })
  const { id } = await peer.next()
  t.equal(listeners, 1)
  peer.say({ type: 'reply', id, status: 'ok' })
  await answered
  t.equal(listeners, 0)
})

t.test('what cannot be written as JSON is refused to the caller, and nothing is sent', async t => {
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const peer = await server.peer()
  await peer.accept()
  const circle: any = {}
  circle.circle = circle
  t.match(await failure(chat.perform('x', circle)), { name: 'TypeError' })
  t.match(await failure(chat.perform('x', 1n)), { name: 'TypeError' })
  t.same(await peer.rest(), [])
})

t.test('a call nobody waits for never becomes an unhandled rejection', async t => {
  const unhandled: unknown[] = []
  const note = (error: unknown): void => { unhandled.push(error) }
  // tap has listeners of its own, which would turn the first one into a failure of its own making.
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', note)
  t.teardown(() => {
    process.removeAllListeners('unhandledRejection')
    for (const other of others) process.on('unhandledRejection', other)
  })
  const { server, cable } = await setting(t)
  const chat = cable.subscribe('ChatChannel')
  const gone = cable.subscribe('Gone')
  const peer = await server.peer()
  await peer.accept()
  await peer.next()
  gone.perform('unsubscribed')
  gone.unsubscribe()
  gone.perform('refused')
  chat.perform('a circle', (() => { const circle: any = {}; circle.circle = circle; return circle })())
  chat.perform('aborted', null, { signal: AbortSignal.abort() })
  chat.perform('timeout', null, { timeout: 0 })
  chat.send('an error')
  for (let command = await peer.next(); command.data !== 'an error'; command = await peer.next());
  peer.say({ type: 'reply', id: 1e6, status: 'error', reason: 'nobody asked' })
  peer.socket.terminate()
  await once(peer.socket, 'close')
  await server.peer()
  cable.disconnect()
  chat.perform('disconnected')
  await new Promise(resolve => setTimeout(resolve))
  t.same(unhandled, [])
  // The listener can hear: one more, ours to lose.
  Promise.reject(new Error('heard'))
  await new Promise(resolve => setTimeout(resolve))
  t.match(unhandled, [{ message: 'heard' }])
})

t.test('an identical subscription that comes later may perform at once', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  t.same(await next(), ['connected', first])
  cable.subscribe('A').perform('x')
  t.match(await peer.next(), { command: 'message', action: 'x' })
})
