// What a client may call, with what, and what it is answered (guide §6, §15; DESIGN: actions).
import { Channel, ActionError } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { errors, fence, gate, isTooDeep, Journal, setting, until } from './setting.ts'
import type { Gate } from './setting.ts'

t.test('the public methods of a channel and of the app\'s own base classes are its actions, and nothing else', async t => {
  const ran: string[] = []
  const symbol = Symbol('symbolic')
  abstract class AppChannel extends Channel {
    inherited () { ran.push('inherited'); return 'from the base' }
    hidden () { ran.push('hidden') }
    get base () { ran.push('base getter'); return () => {} }
  }
  class OddChannel extends AppChannel {
    own () { ran.push('own'); return 'own' }
    async asynchronous () { return 'later' }
    static make () { ran.push('static') }
    arrow = () => { ran.push('arrow') }
    _private () { ran.push('_private') }
    #priv () { ran.push('#priv') }
    get secret () { ran.push('getter'); return () => {} }
    get settable () { ran.push('getter'); return 1 }
    set settable (_value) { ran.push('setter') }
    [symbol] () { ran.push('symbol') }
    callsPrivate () { this.#priv(); return this.arrow.length }
    catch () { return 'caught' }
    // A derived class that hides a method of its base by something else: it stays hidden.
    get hidden2 () { return 1 }
    override toString () { ran.push('toString'); return 'odd' }
  }
  Object.defineProperty(OddChannel.prototype, 'hidden', { value: 42 })
  Object.defineProperty(OddChannel.prototype, 'number', { value: 42 })
  const { app, log } = await setting(t, { channels: { OddChannel: OddChannel as any } })
  const ws = await connect(app)
  await ws.subscribe('OddChannel')

  for (const [action, data] of [['own', 'own'], ['inherited', 'from the base'], ['asynchronous', 'later'], ['callsPrivate', 0], ['catch', 'caught']] as const) {
    t.match(await ws.perform('OddChannel', action), { status: 'ok', data }, action)
  }
  ran.length = 0
  const invalid = ['', '_', '_private', '__proto__', '__defineGetter__', '__lookupGetter__', 'subscribed', 'unsubscribed', 'send', 'broadcast', 'reject',
    'streamFrom', 'stopStreamFrom', 'stopAllStreams', 'stream_from', 'stop_stream_from', 'stop_all_streams', 'then', 'toJSON', 'constructor',
    'params', 'app', 'request', 'channelName', 'user', 'authenticated', 'log', 'signal', 'a'.repeat(65), 'a'.repeat(60_000), '\ud800']
  for (const action of invalid) t.match(await ws.perform('OddChannel', action), { status: 'error', reason: 'invalid_action' }, action.slice(0, 70))
  const unknown = ['nonexistent', 'own ', 'Own', 'own\u0000', 'ｏｗｎ', 'secret', 'settable', 'base', 'make', 'arrow', '#priv', 'priv', 'symbolic', 'Symbol(symbolic)', 'hidden', 'hidden2', 'number',
    'finally', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', 'toLocaleString', 'propertyIsEnumerable', 'length', 'name', 'prototype', 'a'.repeat(64)]
  for (const action of unknown) t.match(await ws.perform('OddChannel', action), { status: 'error', reason: 'unknown_action' }, action)
  for (const action of [undefined, null, 1, true, ['own'], { own: 1 }]) {
    ws.send({ command: 'message', channel: 'OddChannel', params: {}, action, id: 1 })
    t.same(await ws.receive(), { type: 'reply', id: 1, status: 'error', reason: 'invalid_action' }, JSON.stringify(action))
  }
  t.same(ran, [], 'no getter, no setter, nothing ran')
  t.same(errors(log), [], 'a stranger\'s guess is nobody\'s failure')
  t.equal(log.find(({ msg }) => msg.startsWith('channel OddChannel'))!.msg, 'channel OddChannel: actions own, asynchronous, callsPrivate, catch, inherited', 'the boot line lists the surface')
})

t.test('a method called then or toJSON is refused at boot, in a base class too', async t => {
  class ThenChannel extends Channel { then () {} }
  class BaseChannel extends Channel { toJSON () {} }
  class DerivedChannel extends BaseChannel {}
  await t.rejects(setting(t, { channels: { ThenChannel } }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: 'channel "ThenChannel" has a method called "then", which the language itself would call; rename it' })
  await t.rejects(setting(t, { channels: { DerivedChannel } }), { code: 'FST_CHANNELS_INVALID_CHANNEL', message: /"DerivedChannel" has a method called "toJSON"/ })
})

t.test('an app may override a method of Channel; a client can still not call it', async t => {
  class OverridingChannel extends Channel {
    override send (data: any) { super.send({ wrapped: data }) }
    receive (data: any) { this.send(data) }
  }
  const { app } = await setting(t, { channels: { OverridingChannel: OverridingChannel as any } })
  const ws = await connect(app)
  await ws.subscribe('OverridingChannel')
  t.match(await ws.perform('OverridingChannel', 'send', 'x'), { reason: 'invalid_action' })
  await ws.perform('OverridingChannel', 'receive', 'x')
  t.match(await ws.receive(), { data: { wrapped: 'x' } })
})

t.test('static actions, where present, is the whole list', async t => {
  class BaseChannel extends Channel { inherited () { return 'inherited' } }
  class DeclaredChannel extends BaseChannel {
    static actions = { speak: true, inherited: true } as const
    speak () { return this.helper() }
    helper () { return 'helped' }
  }
  class ShutChannel extends Channel {
    static actions = {}
    anything () {}
  }
  const { app, log } = await setting(t, { channels: { DeclaredChannel, ShutChannel } })
  const ws = await connect(app)
  await ws.subscribe('DeclaredChannel')
  await ws.subscribe('ShutChannel')
  t.match(await ws.perform('DeclaredChannel', 'speak'), { data: 'helped' })
  t.match(await ws.perform('DeclaredChannel', 'inherited'), { data: 'inherited' })
  t.match(await ws.perform('DeclaredChannel', 'helper'), { reason: 'unknown_action' }, 'public at run time, and not declared')
  t.match(await ws.perform('ShutChannel', 'anything'), { reason: 'unknown_action' })
  t.match(log.filter(({ msg }) => msg.startsWith('channel ')), [{ msg: 'channel DeclaredChannel: actions speak, inherited', actions: ['speak', 'inherited'] }, { msg: 'channel ShutChannel: no actions', actions: [] }])
})

t.test('the data of an action', async t => {
  const seen = new Journal<any>()
  class DataChannel extends Channel {
    receive (data: any) { seen.put(data) }
  }
  const { app } = await setting(t, { channels: { DataChannel } })
  const ws = await connect(app)
  await ws.subscribe('DataChannel')

  t.test('is what the client sent, of any type; none or null is {} (guide §6)', async t => {
    for (const data of ['text', 1, 0, -0.5, [], [1], false, true, '', { a: { b: null } }]) {
      await ws.perform('DataChannel', 'receive', data as any)
      t.same(await seen.next(), data)
    }
    await ws.perform('DataChannel', 'receive', null)
    t.same(await seen.next(), {})
    ws.send({ command: 'message', channel: 'DataChannel', params: {}, action: 'receive', id: 1 })
    await ws.receive()
    t.same(await seen.next(), {})
  })

  t.test('survives the wire as it is: separators, escapes, control characters', async t => {
    const text = '</script><script>\u2028\u2029\u0000\u001b[31m%s%n😀"\\'
    await ws.perform('DataChannel', 'receive', { [text]: text })
    t.same(await seen.next(), { [text]: text })
  })
})

t.test('the reply to an action', async t => {
  const circular: any = {}
  circular.self = circular
  let deep: any = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  const hostile: { [name: string]: () => unknown } = {
    bigint: () => 1n,
    nested: () => ({ a: [1n] }),
    circular: () => circular,
    // Newer engines write any depth.
    ...isTooDeep(deep) && { deep: () => deep },
    function: () => () => {},
    symbol: () => Symbol('x'),
    toJSON: () => ({ toJSON () { throw new Error('no') } }),
    getter: () => ({ get x () { throw new Error('no') } }),
    proxy: () => new Proxy({}, { ownKeys () { throw new Error('no') } }),
    thenable: () => ({ then () { throw new Error('no') } }),
    error: () => { throw new Error('a stack with secrets') },
    rejection: async () => { throw new Error('a stack with secrets') },
    nothing: () => { throw undefined }, // eslint-disable-line no-throw-literal
    text: () => { throw 'text' } // eslint-disable-line no-throw-literal
  }
  class ReplyChannel extends Channel {
    value (data: any) { return data.value }
    undefined () {}
    null () { return null }
    date () { return { at: new Date(0), list: [undefined, 1], absent: undefined } }
    async later () { return { done: true } }
    tooLong () { throw new ActionError('too_long', { max: 500 }) }
    async bare () { throw new ActionError('bare') }
    zero () { throw new ActionError('zero', 0) }
    badData () { throw new ActionError('bad', 1n) }
    hostile (name: any) { return hostile[name]!() }
  }
  const { app, log } = await setting(t, { channels: { ReplyChannel } })
  const ws = await connect(app)
  await ws.subscribe('ReplyChannel')

  t.test('is what it returns; null for nothing', async t => {
    for (const value of [0, false, '', 'x', [], {}, { a: 1 }]) {
      const { id, ...reply } = await ws.perform('ReplyChannel', 'value', { value })
      t.same(reply, { type: 'reply', status: 'ok', data: value })
    }
    t.match(await ws.perform('ReplyChannel', 'undefined'), { status: 'ok', data: null })
    t.match(await ws.perform('ReplyChannel', 'null'), { status: 'ok', data: null })
    t.match(await ws.perform('ReplyChannel', 'later'), { status: 'ok', data: { done: true } })
    t.same((await ws.perform('ReplyChannel', 'date')).data, { at: '1970-01-01T00:00:00.000Z', list: [null, 1] })
  })

  t.test('is only sent where the message had an id, and carries that id', async t => {
    for (const id of [0, 7, 2 ** 53 - 1, '', 'x', 'é'.repeat(64)]) {
      ws.send({ command: 'message', channel: 'ReplyChannel', params: {}, action: 'value', data: { value: 1 }, id })
      t.same(await ws.receive(), { type: 'reply', id, status: 'ok', data: 1 })
    }
    for (const id of [undefined, null]) {
      ws.send({ command: 'message', channel: 'ReplyChannel', params: {}, action: 'value', data: { value: 1 }, id })
      await fence(t, ws, 'no id, no reply', 'ReplyChannel')
    }
    for (const id of [-1, 1.5, true, [], {}, 'x'.repeat(65)]) {
      ws.send({ command: 'message', channel: 'ReplyChannel', params: {}, action: 'value', data: { value: 1 }, id })
      t.same(await ws.receive(), { type: 'error', reason: 'invalid_message' }, JSON.stringify(id).slice(0, 20))
    }
  })

  t.test('of a thrown ActionError has its reason and data, and is not logged (guide §15)', async t => {
    log.length = 0
    t.match(await ws.perform('ReplyChannel', 'tooLong'), { status: 'error', reason: 'too_long', data: { max: 500 } })
    const { data, ...bare } = await ws.perform('ReplyChannel', 'bare')
    t.match(bare, { status: 'error', reason: 'bare' })
    t.equal(data, undefined)
    t.equal((await ws.perform('ReplyChannel', 'zero')).data, 0)
    t.same(errors(log), [])
    ws.send({ command: 'message', channel: 'ReplyChannel', params: {}, action: 'tooLong' })
    t.same(await ws.receive(), { type: 'error', reason: 'too_long' }, 'without an id it is an error frame')
  })

  t.test('of any other failure is reason error: logged once, nothing leaked, the connection lives', async t => {
    for (const name of Object.keys(hostile)) {
      log.length = 0
      t.same(Object.keys(await ws.perform('ReplyChannel', 'hostile', name)), ['type', 'id', 'status', 'reason'], name)
      t.equal(errors(log).length, 1, `${name} is logged`)
      t.match(errors(log)[0], { action: 'hostile', channel: 'ReplyChannel' })
      ws.send({ command: 'message', channel: 'ReplyChannel', params: {}, action: 'hostile', data: name })
      if (['error', 'rejection', 'nothing', 'text', 'thenable'].includes(name)) t.same(await ws.receive(), { type: 'error', reason: 'error' })
      else await ws.perform('ReplyChannel', 'undefined')
      for (const frame of ws.frames) t.same(frame, { type: 'error', reason: 'error' })
      while (ws.frames.length > 0) await ws.receive()
    }
    log.length = 0
    t.match(await ws.perform('ReplyChannel', 'badData'), { status: 'error', reason: 'error' }, 'an ActionError whose data is no JSON')
    t.match(errors(log), [{ err: { code: 'FST_CHANNELS_INVALID_PAYLOAD' }, action: 'badData' }])
    t.match(await ws.perform('ReplyChannel', 'later'), { status: 'ok' })
  })
})

t.test('static actions carry schemas', async t => {
  const seen = new Journal<any>()
  class SchemaChannel extends Channel {
    static actions = {
      speak: {
        data: { type: 'object', required: ['message'], additionalProperties: false, properties: { message: { type: 'string', maxLength: 5 }, loud: { type: 'boolean', default: false } } },
        reply: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } }
      },
      fail: { reply: { type: 'string' } },
      tags: { data: { type: 'array', items: { type: 'string' } } },
      whole: { data: { type: 'integer' } },
      model: { reply: { type: 'object', properties: { id: { type: 'integer' }, at: { type: 'string' } } } },
      nullable: { reply: { type: 'null' } },
      free: {}
    }

    speak (data: any) {
      seen.put(data)
      return { id: data.message === 'bad' ? 'x' : 1 }
    }

    fail () { return 1 }
    tags (data: any) { return data.length }
    whole (data: any) { return data }
    free (data: any) { return data }
    nullable () {}
    model () {
      return Object.assign(new Model(), { at: new Date(0) })
    }
  }
  class Model {
    id = 1
    password = 'hash'
    toJSON () {
      const { id, at } = this as any
      return { id, at }
    }
  }
  const { app, log } = await setting(t, { channels: { SchemaChannel } })
  const ws = await connect(app)
  await ws.subscribe('SchemaChannel')

  t.test('of the data: what does not fit is invalid_data, and the action does not run', async t => {
    for (const data of [null, 0, 'x', [], { message: 1 }, { message: 'too long' }, { message: ['x'] }, { message: null }]) {
      t.match(await ws.perform('SchemaChannel', 'speak', data as any), { status: 'error', reason: 'invalid_data' }, JSON.stringify(data))
    }
    for (const data of [[1], 'a', null]) t.match(await ws.perform('SchemaChannel', 'tags', data as any), { reason: 'invalid_data' }, 'nothing is turned into something else')
    for (const data of ['1', true, [1], 1.5, {}]) t.match(await ws.perform('SchemaChannel', 'whole', data as any), { reason: 'invalid_data' }, `${JSON.stringify(data)} is no integer`)
    t.match(await ws.perform('SchemaChannel', 'whole', 0), { data: 0 })
    t.match(await ws.perform('SchemaChannel', 'tags', ['a', 'b']), { data: 2 })
    ws.send({ command: 'message', channel: 'SchemaChannel', params: {}, action: 'speak', data: 1 })
    t.same(await ws.receive(), { type: 'error', reason: 'invalid_data' })
    t.same(seen.all, [])
    t.same(errors(log), [])
  })

  t.test('of the data: defaults are filled in, what is not allowed is dropped as in routes', async t => {
    t.match(await ws.perform('SchemaChannel', 'speak', { message: 'hi', extra: 1 }), { status: 'ok', data: { id: 1 } })
    t.same(await seen.next(), { message: 'hi', loud: false })
    t.match(await ws.perform('SchemaChannel', 'free', { any: 1 }), { data: { any: 1 } })
  })

  t.test('of the reply: what is checked is the JSON that leaves', async t => {
    t.same((await ws.perform('SchemaChannel', 'model')).data, { id: 1, at: '1970-01-01T00:00:00.000Z' })
    t.match(await ws.perform('SchemaChannel', 'nullable'), { status: 'ok', data: null })
  })

  t.test('of the reply: what does not fit is the app\'s failure', async t => {
    t.match(await ws.perform('SchemaChannel', 'speak', { message: 'bad' }), { status: 'error', reason: 'error' })
    t.match(await ws.perform('SchemaChannel', 'fail'), { status: 'error', reason: 'error' })
    t.match(errors(log), [{ err: { message: /SchemaChannel\.speak\(\) returned what its reply schema does not allow/ } }, { err: { message: /SchemaChannel\.fail\(\)/ } }])
  })
})

t.test('commands of one subscription run one at a time and in order; subscriptions run side by side', async t => {
  const journal: string[] = []
  const gates = new Map<string, Gate>()
  class TurnChannel extends Channel {
    async work (name: any) {
      journal.push(`${name} begins`)
      await gates.get(name)
      journal.push(`${name} ends`)
      return name
    }
  }
  const { app } = await setting(t, { channels: { TurnChannel } })
  const ws = await connect(app)
  await ws.subscribe('TurnChannel', { n: 1 })
  await ws.subscribe('TurnChannel', { n: 2 })
  for (const name of ['a', 'b', 'c']) gates.set(name, gate())
  for (const [name, n] of [['a', 1], ['b', 1], ['c', 2]] as const) ws.send({ command: 'message', channel: 'TurnChannel', params: { n }, action: 'work', data: name, id: 'same' })
  await until('a and c run', () => journal.length === 2)
  t.same(journal, ['a begins', 'c begins'])
  gates.get('b')!.open()
  gates.get('c')!.open()
  t.match(await ws.receive(), { id: 'same', data: 'c' })
  t.same(journal, ['a begins', 'c begins', 'c ends'], 'b waits for a')
  gates.get('a')!.open()
  t.match(await ws.receive(), { id: 'same', data: 'a' }, 'an id twice in flight gets two replies')
  t.match(await ws.receive(), { id: 'same', data: 'b' }, 'in order')
})

t.test('a hundred actions keep their order, whatever they wait for', async t => {
  const seen: number[] = []
  class OrderChannel extends Channel {
    async step (n: any) {
      for (let i = 0; i < n % 7; i++) await new Promise(resolve => setImmediate(resolve))
      seen.push(n)
      return n
    }
  }
  const { app } = await setting(t, { channels: { OrderChannel } })
  const ws = await connect(app)
  ws.send({ command: 'subscribe', channel: 'OrderChannel', params: {} })
  for (let n = 0; n < 100; n++) ws.send({ command: 'message', channel: 'OrderChannel', params: {}, action: 'step', data: n, id: n })
  t.match(await ws.receive(), { type: 'confirm_subscription' })
  for (let n = 0; n < 100; n++) t.equal((await ws.receive() as any).id, n)
  t.same(seen, Array.from({ length: 100 }, (_, n) => n))
})

t.test('more commands than limits.maxPendingCommands wait in the socket, and none is lost', async t => {
  const waits = gate()
  let running = 0
  class WaitChannel extends Channel {
    async wait (n: any) {
      running++
      await waits
      return n
    }
  }
  const { app } = await setting(t, { channels: { WaitChannel }, limits: { maxPendingCommands: 2 } })
  const ws = await connect(app)
  await ws.subscribe('WaitChannel')
  for (let n = 0; n < 10; n++) ws.send({ command: 'message', channel: 'WaitChannel', params: {}, action: 'wait', data: n, id: n })
  await until('one runs', () => running === 1)
  waits.open()
  for (let n = 0; n < 10; n++) t.match(await ws.receive(), { id: n, data: n })
})

t.test('a message to what is not subscribed is not_subscribed: other params, none, another channel, a rejected one', async t => {
  class RoomChannel extends Channel {
    subscribed () { if (this.params.room === 'shut') this.reject() }
    speak () { return 'spoke' }
  }
  class OtherChannel extends Channel { speak () { return 'spoke' } }
  const { app } = await setting(t, { channels: { RoomChannel, OtherChannel } })
  const ws = await connect(app)
  await ws.subscribe('RoomChannel', { room: 'a' })
  await ws.subscribe('RoomChannel', { room: 'shut' })
  for (const [channel, params] of [['RoomChannel', { room: 'b' }], ['RoomChannel', {}], ['OtherChannel', { room: 'a' }], ['NoChannel', {}], ['', {}], ['RoomChannel', { room: 'shut' }]] as const) {
    t.match(await ws.perform(channel, 'speak', {}, params), { status: 'error', reason: 'not_subscribed' })
    ws.send({ command: 'message', channel, params, action: 'speak' })
    t.same(await ws.receive(), { type: 'error', reason: 'not_subscribed' }, 'without an id it is an error frame (guide §11)')
  }
  ws.send('{"command":"message","action":"speak"}')
  t.same(await ws.receive(), { type: 'error', reason: 'not_subscribed' })
  ws.send('{"command":"unsubscribe"}')
  ws.send({ command: 'unsubscribe', channel: 'OtherChannel', params: { never: 1 } })
  t.match(await ws.perform('RoomChannel', 'speak', {}, { room: 'a' }), { data: 'spoke' }, 'leaving what one never joined is silent')
})

t.test('what is no command is refused with guide §11\'s reasons, and the connection lives', async t => {
  const { app } = await setting(t, { limits: { violations: false } })
  const ws = await connect(app)
  for (const [text, reason] of [
    ['not valid json{{{', 'invalid_json'], ['{"command":"subscribe"', 'invalid_json'], ['', 'invalid_json'], ['\ufeff{"command":"pong"}', 'invalid_json'], ["{'command':'subscribe'}", 'invalid_json'],
    ['{}{}', 'invalid_json'], ['NaN', 'invalid_json'],
    ['true', 'invalid_message'], ['0', 'invalid_message'], ['"subscribe"', 'invalid_message'], ['null', 'invalid_message'], ['[]', 'invalid_message'], ['[{"command":"subscribe"}]', 'invalid_message'],
    ['{"command":"subscribe","channel":1}', 'invalid_message'], ['{"command":"subscribe","channel":null}', 'invalid_message'], ['{"command":"subscribe","channel":"X","params":[]}', 'invalid_message'], ['{"command":"subscribe","channel":"X","params":"x"}', 'invalid_message'],
    ['{}', 'unknown_command'], ['{"command":""}', 'unknown_command'], ['{"command":"Subscribe"}', 'unknown_command'], ['{"command":1}', 'unknown_command'], ['{"command":null}', 'unknown_command'],
    ['{"command":["subscribe"]}', 'unknown_command'], ['{"command":"constructor"}', 'unknown_command'], ['{"command":"__proto__"}', 'unknown_command'], ['{"type":"confirm_subscription","channel":"X"}', 'unknown_command']
  ] as const) {
    ws.send(text)
    t.same(await ws.receive(), { type: 'error', reason }, text)
  }
  ws.send('{"command":"pong"}')
  await fence(t, ws, 'a pong is silent')
})
