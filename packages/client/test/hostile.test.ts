// A hostile or broken server, proxy or page (reliability §5.4), and the vectors of the wire as a client hears them.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket } from 'ws'
import t from 'tap'
import { Cable, CableError } from '../src/index.ts'
import { ear, failure, first, setting } from './setting.ts'
import { Puppet, puppetry } from './puppet.ts'
import { vectors } from './vectors.ts'

t.test('C1: what is no frame is ignored with one word to the developer, and the socket is kept', async t => {
  const { server, cable } = await setting(t)
  const debugged = t.capture(console, 'debug')
  const { callbacks, next, rest } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  t.same(await next(), ['connected', first])
  const known = /^a (confirmation|broadcast|gap|reply)/
  for (const { name, text } of vectors.ignored) {
    peer.socket.send(text)
    t.same(await peer.rest(), [], name)
    t.equal(debugged().length, known.test(name) ? 0 : 1, name)
  }
  for (const binary of [Buffer.from('{"type":"ping"}'), Buffer.alloc(0)]) peer.socket.send(binary)
  t.same(await peer.rest(), [])
  t.equal(debugged().length, 2, 'binary')
  t.same(rest, [])
})

t.test('every frame of the vectors is understood', async t => {
  const { cable, tick } = puppetry(t)
  const debugged = t.capture(console, 'debug')
  const v1 = vectors.frames.filter(({ dialect }) => dialect === 'channels-v1')
  t.ok(v1.length > 20)
  for (const { name, frame, text } of v1) {
    const told: any[] = []
    const callbacks = {
      connected: (event: object) => told.push(['connected', event]),
      disconnected: (event: object) => told.push(['disconnected', event]),
      received: (data: unknown) => told.push(['received', data]),
      rejected: (event: object) => told.push(['rejected', event])
    }
    cable.connect()
    const socket = Puppet.last.isOpen && Puppet.last.closedWith === undefined ? Puppet.last : Puppet.last.open()
    socket.sent.length = 0
    const subscription = cable.subscribe(frame.channel ?? 'A', frame.params ?? {}, callbacks)
    const { ref, channel, params } = socket.sent.at(-1)
    /** The frame of the vector, with our own number where it has one. */
    const hear = (number: unknown = ref): void => {
      const { ref: theirs, id: call, ...other } = JSON.parse(text)
      socket.say({ ...other, ...(theirs === undefined ? {} : { ref: number }), ...(call === undefined ? {} : { id: number }) })
    }
    const confirm = (): void => socket.say({ type: 'confirm_subscription', channel, params, ref, streams: { [frame.stream ?? 's']: null } })
    switch (frame.type) {
      case 'confirm_subscription':
        // Without a ref it is the answer to somebody else's subscribe.
        hear()
        t.match(told, frame.ref === undefined ? [] : [['connected', { reconnected: false, gap: false }]], name)
        if (frame.ref !== undefined) t.same(subscription.positions, frame.streams ?? {}, name)
        break
      case 'reject_subscription':
        if (frame.ref === undefined) confirm()
        hear()
        t.same(told.at(-1), ['rejected', { reason: frame.reason ?? null }], name)
        break
      case 'message':
        hear()
        t.same(told, [['received', frame.data]], name)
        break
      case 'broadcast':
        if (frame.ref === undefined) confirm()
        hear()
        // A replay is for those who asked; this one did not.
        t.same(told.filter(([what]) => what === 'received'), frame.ref === undefined && 'data' in frame ? [['received', frame.data]] : [], name)
        break
      case 'gap':
        confirm()
        hear()
        t.match(told.at(-1), ['connected', { gap: frame.at != null }], name)
        break
      case 'streams':
        confirm()
        hear()
        t.same(subscription.positions, frame.streams, name)
        break
      case 'reply': {
        confirm()
        const answered = subscription.perform('x').catch((error: CableError) => error)
        hear(socket.sent.at(-1).id)
        const answer: any = await answered
        if (frame.status === 'ok') t.same(answer, frame.data, name)
        else t.match(answer, { name: 'CableError', reason: frame.reason, data: frame.data }, name)
        break
      }
      case 'ping':
        hear()
        t.same(socket.sent.at(-1), { command: 'pong' }, name)
        break
      case 'disconnect':
        confirm()
        hear()
        socket.lose(1006)
        t.same(told.at(-1), ['disconnected', { willReconnect: frame.reconnect, reason: frame.reason }], name)
        cable.disconnect()
        break
      case 'error':
        t.equal(debugged().length, 0, name)
        hear()
        t.match(debugged(), [{ args: ['cable:', Object, text] }], name)
        break
      default:
        t.fail(`nobody knows ${frame.type}`)
    }
    subscription.unsubscribe()
    tick(0)
  }
})

t.test('C2: a confirmation of what was never asked is ignored', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next, rest } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  const command = await peer.next()
  peer.confirm({ channel: 'B', params: {}, ref: command.ref })
  peer.confirm({ ...command, ref: 'A' })
  peer.confirm({ ...command, ref: undefined })
  peer.say({ type: 'confirm_subscription' }, { type: 'confirm_subscription', channel: 'A', params: null, ref: command.ref })
  t.same(await peer.rest(), [])
  t.same(rest, [])
  peer.confirm(command)
  t.same(await next(), ['connected', first])
})

t.test('C3: a confirmation that comes twice is told once', async t => {
  const { server, cable } = await setting(t)
  const { callbacks, next, rest } = ear()
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  const command = await peer.accept()
  peer.confirm(command)
  peer.confirm(command, { recovered: false })
  t.same(await next(), ['connected', first])
  t.same(await peer.rest(), [])
  t.same(rest, [])
})

t.test('C5: a callback that throws takes nothing from the others, whatever it throws', async t => {
  const { server, cable } = await setting(t)
  const reported = t.capture(console, 'error')
  const { callbacks, next } = ear()
  cable.subscribe('A', { received () { throw undefined } }) // eslint-disable-line no-throw-literal
  cable.subscribe('A', {}, { async connected () { throw new Error('later') }, get received (): never { throw new Error('a getter') } })
  cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept()
  await next()
  peer.say({ type: 'message', channel: 'A', params: {}, data: 1 })
  t.same(await next(), ['received', 1])
  await peer.rest()
  t.same(reported().map(({ args: [error] }) => (error as Error | undefined)?.message), ['later', undefined, 'a getter'])
})

t.test('C7: frames of the wrong shape end nothing', async t => {
  const { server, cable } = await setting(t)
  t.capture(console, 'debug')
  const { callbacks, next, rest } = ear()
  const a = cable.subscribe('A', callbacks)
  const peer = await server.peer()
  await peer.accept({ streams: { s: 'e.1' } })
  await next()
  const types = ['confirm_subscription', 'reject_subscription', 'message', 'broadcast', 'gap', 'streams', 'reply', 'error', 'disconnect', 'presence', '__proto__', 'toString']
  const values = [null, 0, -1, '', 'x', [], {}, true, { __proto__: null }, Number.MAX_VALUE]
  for (const type of types) {
    for (const value of values) {
      peer.say(
        { type, channel: value, params: value, stream: value, at: value, id: value, ref: value, streams: value, status: value, recovered: value },
        { type, channel: 'B', params: {}, stream: 'other', at: value, streams: value }
      )
    }
  }
  // The last `disconnect` had no reason and no wish.
  peer.say({ type: 'broadcast', stream: 's', at: 'e.2', data: 'still here' })
  t.same(await next(), ['received', 'still here'])
  t.same(rest, [])
  const answered = a.perform('x')
  let command = await peer.next()
  while (command.action !== 'x') command = await peer.next()
  peer.say({ type: 'reply', id: command.id, status: 'ok', data: 1 })
  t.equal(await answered, 1)
})

t.test('C9: a handshake answered without our subprotocol is tried again with a pause, with another one never', async t => {
  const { cable, tick } = puppetry(t)
  const { callbacks, next } = ear()
  cable.subscribe('A', callbacks)
  // A browser fails such a connection by itself.
  Puppet.last.lose(1006)
  tick(249)
  t.equal(Puppet.made.length, 1)
  tick(751)
  t.equal(Puppet.made.length, 2)
  for (const protocol of ['', 'graphql-ws', 'channels-v2']) {
    const socket = Puppet.last
    socket.open(protocol)
    t.same(await next(), ['disconnected', { willReconnect: false, reason: 'protocol' }])
    t.equal(socket.closedWith, 1000)
    t.same(socket.sent, [], 'nothing is said to a stranger')
    tick(100_000)
    t.equal(Puppet.last, socket)
    cable.connect()
  }
})

t.test('C9: over a real socket, a server without our subprotocol', async t => {
  const { server, cable } = await setting(t, {}, { handleProtocols: () => false })
  t.capture(console, 'debug')
  cable.connect()
  const one = await server.peer()
  const other = await server.peer()
  t.not(one, other)
})

t.test('C10: answers that are no WebSocket are met with a pause, never a loop', async t => {
  const asked: number[] = []
  const statuses = [403, 404, 503, 200]
  const server = createServer((_request, response) => response.end())
  server.on('upgrade', (_request, socket) => {
    asked.push(Date.now())
    socket.on('error', () => {})
    socket.end(`HTTP/1.1 ${statuses[asked.length - 1] ?? 500} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
    if (asked.length === statuses.length) server.emit('enough')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cable = new Cable({ url: `ws://127.0.0.1:${port}/cable`, WebSocket, random: () => 0 })
  t.teardown(() => {
    cable.disconnect()
    server.close()
  })
  const { callbacks, rest } = ear()
  const a = cable.subscribe('A', callbacks)
  const waiting = a.perform('x')
  await once(server, 'enough')
  t.ok(asked.every((at, i) => i === 0 || at - asked[i - 1]! >= 240), String(asked))
  t.same(rest, [], 'it was never connected, so it was never disconnected')
  cable.disconnect()
  t.match(await failure(waiting), { reason: 'disconnected' })
})

t.test('C11: a close from 4500 on is final', async t => {
  for (const code of [4500, 4501, 4502, 4999]) {
    const { server, cable } = await setting(t)
    const { callbacks, next } = ear()
    cable.subscribe('A', callbacks)
    const peer = await server.peer()
    await peer.accept()
    await next()
    peer.socket.close(code, 'because')
    t.same(await next(), ['disconnected', { willReconnect: false, reason: 'because' }])
    cable.subscribe('B')
    t.same(server.rest, [])
    cable.connect()
    t.same((await (await server.peer()).rest()).map(({ channel }) => channel), ['A', 'B'])
  }
})

t.test('a server that asks for the same thing over and over does not make the client grow', async t => {
  const { cable } = puppetry(t)
  const debugged = t.capture(console, 'debug')
  for (let n = 0; n < 500; n++) cable.subscribe('A', { n })
  const socket = Puppet.last.open()
  for (const { channel, params, ref } of socket.sent.splice(0)) socket.say({ type: 'reject_subscription', channel, params, ref })
  for (let n = 0; n < 500; n++) socket.say({ type: 'message', channel: 'A', params: { n }, data: 1 })
  socket.lose()
  cable.connect()
  Puppet.last.open()
  t.same(Puppet.last.sent, [])
  t.same(debugged(), [])
})

t.test('a server that drops commands is asked again a second later for what has no answer, and for nothing else', async t => {
  const { cable, tick } = puppetry(t)
  t.capture(console, 'debug')
  const told: string[] = []
  cable.subscribe('Confirmed', {}, { connected: () => told.push('Confirmed') })
  const socket = Puppet.last.open()
  socket.confirm()
  cable.subscribe('Dropped', {}, { connected: () => told.push('Dropped') })
  cable.subscribe('Left').unsubscribe()
  const [{ ref }] = socket.sent.splice(0)
  socket.say({ type: 'error', reason: 'rate_limited' }, { type: 'error', reason: 'invalid_message' })
  tick(999)
  t.same(socket.sent.filter(({ command }) => command === 'subscribe'), [])
  tick(1)
  const again = socket.sent.filter(({ command }) => command === 'subscribe')
  t.same(again.map(({ channel }) => channel), ['Dropped'])
  t.not(again[0].ref, ref)
  socket.confirm()
  t.same(told, ['Confirmed', 'Dropped'])
  tick(10_000)
  t.same(socket.sent, [])
})
