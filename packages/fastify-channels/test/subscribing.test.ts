// The life of a subscription, from `subscribe` to `unsubscribed()` (guide §3, §4, §5.1).
import cookie from '@fastify/cookie'
import { Channel, current } from 'fastify-channels'
import type { EndReason } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { errors, fence, gate, isTooDeep, Journal, secret, setting, until, ways } from './setting.ts'

const position = /^[A-Za-z0-9_-]{1,64}\.\d{1,15}$/

class RoomChannel extends Channel<{ room: string }> {
  subscribed () { this.streamFrom(`room_${this.params.room}`) }
  speak (data: any) { return this.broadcast(`room_${this.params.room}`, data) }
  async remove () { this.stopAllStreams() }
}

for (const [way, open] of ways) {
  t.test(way, async t => {
    t.test('a client subscribes, calls an action, hears the broadcast, and leaves (guide §1)', async t => {
      const { app } = await setting(t, { channels: { RoomChannel } })
      const ws = await open(app)
      t.same(await ws.subscribe('RoomChannel', { room: 'a' }), { type: 'confirm_subscription', channel: 'RoomChannel', params: { room: 'a' } })
      t.same(await ws.perform('RoomChannel', 'speak', { message: 'hi' }, { room: 'a' }), { type: 'reply', id: 'test-1', status: 'ok', data: null })
      t.same(await ws.receive(), { type: 'message', channel: 'RoomChannel', params: { room: 'a' }, data: { message: 'hi' } })
      ws.unsubscribe('RoomChannel', { room: 'a' })
      t.same(await ws.perform('RoomChannel', 'speak', {}, { room: 'a' }), { type: 'reply', id: 'test-2', status: 'error', reason: 'not_subscribed' })
      await fence(t, ws, 'leaving has no answer')
    })

    t.test('channels-v1 confirms with the ref and the position of each stream', async t => {
      const { app } = await setting(t, { channels: { RoomChannel } })
      const ws = await open(app, { protocols: 'channels-v1' })
      ws.send({ command: 'subscribe', channel: 'RoomChannel', params: { room: 'a' }, ref: 3 })
      const { streams, ...confirm } = await ws.receive() as any
      t.same(confirm, { type: 'confirm_subscription', channel: 'RoomChannel', params: { room: 'a' }, ref: 3, recovered: null })
      t.match(streams, { room_a: position })
      await ws.perform('RoomChannel', 'speak', 1, { room: 'a' })
      const { at, ...broadcast } = await ws.receive() as any
      t.same(broadcast, { type: 'broadcast', stream: 'room_a', data: 1 })
      t.match(at, position)
    })

    t.test('what subscribed() sends is buffered, and flushed just before the confirmation (guide §4)', async t => {
      for (const protocols of ['', 'channels-v1']) {
        const waits = gate()
        class JoinChannel extends Channel {
          async subscribed () {
            this.send({ status: 'joined' })
            await waits
            this.send('and well')
          }
        }
        const { app } = await setting(t, { channels: { JoinChannel } })
        const ws = await open(app, protocols === '' ? {} : { protocols })
        ws.send({ command: 'subscribe', channel: 'JoinChannel', params: {} })
        await fence(t, ws, 'nothing leaves while it is pending')
        waits.open()
        t.same(await ws.receive(), { type: 'message', channel: 'JoinChannel', params: {}, data: { status: 'joined' } })
        t.same(await ws.receive(), { type: 'message', channel: 'JoinChannel', params: {}, data: 'and well' })
        t.match(await ws.receive(), { type: 'confirm_subscription', channel: 'JoinChannel', params: {} })
      }
    })
  })
}

t.test('the same class with other params is another subscription, addressed by itself (guide §3)', async t => {
  const { app } = await setting(t, { channels: { RoomChannel } })
  const ws = await connect(app)
  await ws.subscribe('RoomChannel', { room: 'a' })
  await ws.subscribe('RoomChannel', { room: 'b' })
  await app.cable.broadcast('room_b', 1)
  t.match(await ws.receive(), { params: { room: 'b' }, data: 1 })
  ws.unsubscribe('RoomChannel', { room: 'b' })
  await ws.perform('RoomChannel', 'speak', 2, { room: 'a' })
  t.match(await ws.receive(), { params: { room: 'a' }, data: 2 }, 'leaving one leaves the other')
  await app.cable.broadcast('room_b', 3)
  await fence(t, ws, 'the room that was left is silent')
})

t.test('the order of keys in params never matters, at any depth; their values do', async t => {
  const made: object[] = []
  class AnyChannel extends Channel {
    subscribed () { made.push(this.params) }
    ping () { return 'pong' }
  }
  const { app } = await setting(t, { channels: { AnyChannel } })
  const ws = await connect(app)
  const same: Array<[object, object]> = [
    [{ a: 1, b: { x: 1, y: [{ p: 1, q: 2 }] } }, { b: { y: [{ q: 2, p: 1 }], x: 1 }, a: 1 }],
    [{ n: 0 }, { n: -0 }]
  ]
  for (const [one, other] of same) {
    const before = made.length
    await ws.subscribe('AnyChannel', one as any)
    await ws.subscribe('AnyChannel', other as any)
    t.equal(made.length, before + 1, JSON.stringify(one))
    t.match(await ws.perform('AnyChannel', 'ping', {}, other as any), { data: 'pong' })
  }
  ws.send('{"command":"subscribe","channel":"AnyChannel","params":{"n":7}}')
  ws.send('{"command":"subscribe","channel":"AnyChannel","params":{"n":7.0}}')
  ws.send('{"command":"subscribe","channel":"AnyChannel","params":{"n":7e0}}')
  for (let i = 0; i < 3; i++) t.match(await ws.receive(), { type: 'confirm_subscription', params: { n: 7 } })
  const before = made.length
  for (const params of [{ n: 1 }, { n: '1' }, { n: true }, { n: [1] }, { n: null }, {}, { r: '\u00e9' }, { r: 'e\u0301' }]) await ws.subscribe('AnyChannel', params as any)
  t.equal(made.length, before + 8, '1, "1", true, [1], null and nothing are six rooms; é in two spellings are two')
})

t.test('a channel called "A{}" and a channel "A" are never mixed up', async t => {
  class One extends Channel { who () { return 'one' } }
  class Two extends Channel { who () { return 'two' } }
  const { app } = await setting(t, { channels: { 'A{}': One, A: Two } })
  const ws = await connect(app)
  await ws.subscribe('A{}')
  t.match(await ws.perform('A', 'who'), { reason: 'not_subscribed' })
  await ws.subscribe('A')
  t.match(await ws.perform('A{}', 'who'), { data: 'one' })
  t.match(await ws.perform('A', 'who'), { data: 'two' })
})

t.test('frames carry the params as the client spelled them', async t => {
  const { app } = await setting(t, { channels: { RoomChannel } })
  const ws = await connect(app)
  ws.send('{"command":"subscribe","channel":"RoomChannel","params":{"z":1,"room":"a"}}')
  const confirm = await ws.receive()
  t.equal(JSON.stringify(confirm), '{"type":"confirm_subscription","channel":"RoomChannel","params":{"z":1,"room":"a"}}')
})

t.test('params absent or null are {}', async t => {
  const { app } = await setting(t, { channels: { AnyChannel: class extends Channel {} } })
  const ws = await connect(app)
  for (const text of ['{"command":"subscribe","channel":"AnyChannel"}', '{"command":"subscribe","channel":"AnyChannel","params":null}']) {
    ws.send(text)
    t.same(await ws.receive(), { type: 'confirm_subscription', channel: 'AnyChannel', params: {} })
  }
})

t.test('params are frozen to the bottom, inherit nothing, and stay for the life of the subscription', async t => {
  const seen = new Journal<any>()
  class FrozenChannel extends Channel {
    subscribed () {
      const params = this.params as any
      const inherited = ['toString', '__proto__', 'constructor'].filter(name => name in params || name in params.deep)
      const refused = [
        () => { params.room = 'other' }, () => { params.more = 1 }, () => { delete params.room },
        () => { params.deep.list.push(2) }, () => { params.deep.list[0].x = 2 }
      ].map(change => { try { change(); return 'changed' } catch (error) { return (error as Error).name } })
      seen.put({ inherited, refused, params })
    }

    again () { seen.put(this.params) }
  }
  const { app } = await setting(t, { channels: { FrozenChannel } })
  const ws = await connect(app)
  const params = { room: 'a', deep: { list: [{ x: 1 }] } }
  t.match(await ws.subscribe('FrozenChannel', params), { type: 'confirm_subscription' })
  const { inherited, refused, params: first } = await seen.next()
  t.same(inherited, [])
  t.same(refused, Array(5).fill('TypeError'))
  await ws.perform('FrozenChannel', 'again', {}, params)
  t.equal(await seen.next(), first, 'one and the same object')
  t.same(first, params)
})

t.test('static params is the schema of the params; what does not fit is rejected with invalid_params', async t => {
  const seen = new Journal<any>()
  class SchemaChannel extends Channel<{ room: string, limit: number }> {
    static params = {
      type: 'object',
      required: ['room'],
      properties: { room: { type: 'string', minLength: 1 }, limit: { type: 'integer', default: 10 } }
    }

    subscribed () {
      seen.put(this.params)
      this.streamFrom(`room_${this.params.room}`)
    }
  }
  const { app } = await setting(t, { channels: { SchemaChannel } })
  const ws = await connect(app)
  for (const params of [{}, { room: ['general'] }, { room: {} }, { room: null }, { room: '' }, { room: { toString: 1 } }, { room: 1 }, { room: 'a', limit: '10' }]) {
    t.same(await ws.subscribe('SchemaChannel', params as any), { type: 'reject_subscription', channel: 'SchemaChannel', params, reason: 'invalid_params' }, JSON.stringify(params))
  }
  t.same(seen.all, [], 'subscribed() ran for none of them')
  t.same(await ws.subscribe('SchemaChannel', { room: 'a' }), { type: 'confirm_subscription', channel: 'SchemaChannel', params: { room: 'a' } }, 'the answer carries what was asked')
  t.same(await seen.next(), { room: 'a', limit: 10 }, 'the channel sees the defaults')
  t.throws(() => { (seen.all[0] as any).limit = 1000 }, TypeError, 'and cannot change those either')
})

t.test('a name nobody registered is rejected as unknown_channel (guide §11)', async t => {
  const { app } = await setting(t, { channels: { RoomChannel } })
  const ws = await connect(app)
  for (const channel of ['', 'roomchannel', 'RoomChannel ', 'RoomChannel\n', 'constructor', '__proto__', 'toString', 'prototype', 'Channel', '../RoomChannel', 'RoomChannel;DROP', '<script>']) {
    t.same(await ws.subscribe(channel), { type: 'reject_subscription', channel, params: {}, reason: 'unknown_channel' }, JSON.stringify(channel))
  }
  ws.send({ command: 'subscribe' })
  t.same(await ws.receive(), { type: 'reject_subscription', channel: '', params: {}, reason: 'unknown_channel' })
  ws.send({ command: 'subscribe', identifier: '{"channel":"RoomChannel"}' })
  t.same(await ws.receive(), { type: 'reject_subscription', channel: '', params: {}, reason: 'unknown_channel' })
  const v1 = await connect(app, { protocols: 'channels-v1' })
  v1.send({ command: 'subscribe', channel: 'X', params: {}, ref: 'mine' })
  t.same(await v1.receive(), { type: 'reject_subscription', channel: 'X', params: {}, ref: 'mine', reason: 'unknown_channel' })
})

t.test('a channel has what guide §3 lists', async t => {
  const seen = new Journal<any>()
  class LookChannel extends Channel {
    subscribed () {
      const { params, app, channelName, authenticated, user, request, log, signal } = this
      seen.put({ params, app, channelName, authenticated, user, agent: request.headers['user-agent'], url: request.raw.url, log, aborted: signal.aborted })
    }
  }
  const { app, log } = await setting(t, { channels: { 'look-channel': LookChannel } })
  const ws = await connect(app, { headers: { 'user-agent': 'a test' } })
  t.match(await ws.subscribe('look-channel', { a: 1 }), { type: 'confirm_subscription', channel: 'look-channel' })
  const look = await seen.next()
  t.match(look, { channelName: 'look-channel', authenticated: false, user: null, agent: 'a test', url: '/cable', aborted: false })
  t.same(look.params, { a: 1 })
  t.equal(look.app.cable, app.cable)
  look.log.warn('from the channel')
  t.match(log.find(({ msg }) => msg === 'from the channel'), { channel: 'look-channel' }, 'its log lines carry its name')
})

t.test('reject()', async t => {
  const journal = new Journal<any>()
  class GuardedChannel extends Channel {
    async subscribed () {
      this.streamFrom('guarded')
      this.send('too early')
      await this.broadcast('guarded', 'too early as well')
      if (this.params.swallow) {
        try {
          this.reject()
        } catch (error) {
          journal.put((error as Error).message)
        }
        this.streamFrom('afterwards')
        this.send('afterwards')
        journal.put(this.signal.aborted)
        if (this.params.twice) this.reject()
        if (this.params.fail) throw new Error('on the way out')
        return
      }
      this.reject()
    }

    unsubscribed () { journal.put('unsubscribed') }
    speak () { journal.put('spoke') }
  }
  const { app, log } = await setting(t, { channels: { GuardedChannel } })

  t.test('answers without a reason, discards what was sent, and leaves its streams (guide §4, §5.1)', async t => {
    for (const protocols of ['', 'channels-v1']) {
      const ws = await connect(app, protocols === '' ? {} : { protocols })
      t.same(await ws.subscribe('GuardedChannel'), { type: 'reject_subscription', channel: 'GuardedChannel', params: {} })
      await app.cable.broadcast('guarded', 'a secret')
      await fence(t, ws, 'a rejected visitor hears nothing')
      t.match(await ws.perform('GuardedChannel', 'speak'), { reason: 'not_subscribed' }, 'none of its actions can be called')
      await ws.close()
      t.same(journal.all, [], 'unsubscribed() is not owed')
    }
  })

  t.test('that the app swallows changes nothing', async t => {
    const ws = await connect(app)
    for (const params of [{ swallow: true }, { swallow: true, twice: true }, { swallow: true, fail: true }]) {
      t.same(await ws.subscribe('GuardedChannel', params), { type: 'reject_subscription', channel: 'GuardedChannel', params })
      t.equal(await journal.next(), 'the subscription is rejected')
      t.equal(await journal.next(), true, 'signal is aborted')
      await app.cable.broadcast('guarded', 'a secret')
      await app.cable.broadcast('afterwards', 'a secret')
      await fence(t, ws, 'nothing is heard, nothing was sent', 'GuardedChannel', params)
    }
    t.same(errors(log), [], 'and is nobody\'s failure')
  })

  t.test('is asked again on the next subscribe', async t => {
    let allowed = false
    const channel = class extends Channel { subscribed () { if (!allowed) this.reject() } }
    const { app } = await setting(t, { channels: { LaterChannel: channel } })
    const ws = await connect(app)
    t.match(await ws.subscribe('LaterChannel'), { type: 'reject_subscription' })
    allowed = true
    t.match(await ws.subscribe('LaterChannel'), { type: 'confirm_subscription' })
  })

  t.test('outside of subscribed() is an error of the app', async t => {
    const channel = class extends Channel { leave () { this.reject() } }
    const { app, log } = await setting(t, { channels: { LateChannel: channel } })
    const ws = await connect(app)
    await ws.subscribe('LateChannel')
    t.match(await ws.perform('LateChannel', 'leave'), { status: 'error', reason: 'error' })
    t.match(errors(log), [{ err: { code: 'FST_CHANNELS_LATE_REJECT' } }])
    t.match(await ws.perform('LateChannel', 'nothing'), { reason: 'unknown_action' }, 'the subscription goes on')
  })
})

t.test('a subscribed() that throws is rejected with reason error, its streams are left, its error is logged once (upstream U1)', async t => {
  for (const fail of [() => { throw new Error('no database') }, async () => { throw new Error('no database') }]) {
    class BoomChannel extends Channel {
      subscribed () {
        this.streamFrom('boom')
        this.send('lost')
        return fail()
      }

      unsubscribed () { t.fail('unsubscribed() is not owed') }
    }
    const { app, log } = await setting(t, { channels: { BoomChannel } })
    const ws = await connect(app)
    t.same(await ws.subscribe('BoomChannel'), { type: 'reject_subscription', channel: 'BoomChannel', params: {}, reason: 'error' })
    await app.cable.broadcast('boom', 1)
    await fence(t, ws, 'nothing is heard')
    t.match(errors(log), [{ err: { message: 'no database' }, channel: 'BoomChannel' }])
    t.equal(errors(log).length, 1)
    t.match(await ws.perform('BoomChannel', 'x'), { reason: 'not_subscribed' })
    await ws.close()
  }
})

t.test('a channel whose constructor throws is rejected with reason error', async t => {
  class BrokenChannel extends Channel {
    broken = (() => { throw new Error('in the constructor') })()
  }
  const { app, log } = await setting(t, { channels: { BrokenChannel } })
  const ws = await connect(app)
  t.match(await ws.subscribe('BrokenChannel'), { type: 'reject_subscription', reason: 'error' })
  t.match(errors(log), [{ err: { message: 'in the constructor' } }])
})

t.test('a subscribed() that hangs is rejected with reason timeout, and whatever it does later is done for nobody', async t => {
  const late = gate()
  const journal = new Journal<any>()
  class HangingChannel extends Channel {
    async subscribed () {
      this.streamFrom('hanging')
      journal.put(this.signal)
      await late
      this.send('late')
      this.streamFrom('later')
      journal.put('done')
    }

    unsubscribed (reason: EndReason) { journal.put(reason) }
  }
  const { app, log } = await setting(t, { channels: { HangingChannel }, limits: { subscribeTimeout: 20 } })
  const ws = await connect(app)
  t.same(await ws.subscribe('HangingChannel'), { type: 'reject_subscription', channel: 'HangingChannel', params: {}, reason: 'timeout' })
  t.equal((await journal.next()).aborted, true, 'signal told it')
  t.match(errors(log), [{ err: { message: 'HangingChannel.subscribed() took longer than 20 ms' } }])
  await app.cable.broadcast('hanging', 1)
  await fence(t, ws, 'nothing is heard', 'HangingChannel')
  late.open()
  t.equal(await journal.next(), 'done')
  t.equal(await journal.next(), 'error', 'it completed all the same, so its end is owed')
  await app.cable.broadcast('later', 1)
  await fence(t, ws, 'and still nothing', 'HangingChannel')
  await ws.close()
  t.equal(journal.all.length, 3, 'unsubscribed() ran once')
})

t.test('falsy data stays what it is; absent and null are {}', async t => {
  class EchoChannel extends Channel {
    subscribed () { this.streamFrom('echo') }
    send_ () {}
    receive (data: any) { this.send(data) }
    none () { this.send(undefined) }
    nothing () { this.send(null) }
    async shout (data: any) { await this.broadcast('echo', data) }
    async shoutNone () { await this.broadcast('echo') }
    async shoutNull () { await this.broadcast('echo', null) }
  }
  const { app } = await setting(t, { channels: { EchoChannel } })
  const ws = await connect(app)
  await ws.subscribe('EchoChannel')
  for (const data of [0, false, '', [], 'text', 1.5, [null], { a: null }]) {
    for (const action of ['receive', 'shout']) {
      await ws.perform('EchoChannel', action, data as any)
      t.same(await ws.receive(), { type: 'message', channel: 'EchoChannel', params: {}, data }, `${action} ${JSON.stringify(data)}`)
    }
  }
  for (const action of ['receive', 'shout', 'none', 'nothing', 'shoutNone', 'shoutNull']) {
    await ws.perform('EchoChannel', action, null)
    t.same(await ws.receive(), { type: 'message', channel: 'EchoChannel', params: {}, data: {} }, action)
  }
  ws.send({ command: 'message', channel: 'EchoChannel', params: {}, action: 'receive' })
  t.match(await ws.receive(), { data: {} })
})

t.test('what cannot be sent as JSON throws where it was said, and kills nothing', async t => {
  const circular: any = {}
  circular.self = circular
  let deep: any = 1
  for (let i = 0; i < 10_000; i++) deep = [deep]
  const bad = [1n, circular, ...isTooDeep(deep) ? [deep] : [], () => {}, Symbol('x'), { toJSON () { throw new Error('no') } }, { toJSON () { return undefined } }]
  class BadChannel extends Channel {
    subscribed () { this.streamFrom('bad') }
    say (index: any) {
      try { this.send(bad[index]) } catch (error) { return (error as any).code }
    }

    async shout (index: any) {
      try { await this.broadcast('bad', bad[index]) } catch (error) { return (error as any).code }
    }
  }
  const { app } = await setting(t, { channels: { BadChannel } })
  const ws = await connect(app)
  await ws.subscribe('BadChannel')
  for (let index = 0; index < bad.length; index++) {
    t.match(await ws.perform('BadChannel', 'say', index), { data: 'FST_CHANNELS_INVALID_PAYLOAD' }, `say ${index}`)
    t.match(await ws.perform('BadChannel', 'shout', index), { data: 'FST_CHANNELS_INVALID_PAYLOAD' }, `shout ${index}`)
  }
  await fence(t, ws, 'and nothing left')
})

t.test('a second subscribe of the same is confirmed again; subscribed() runs once and nothing is delivered twice (upstream U7)', async t => {
  for (const protocols of ['', 'channels-v1']) {
    let runs = 0
    class OnceChannel extends Channel {
      subscribed () {
        runs++
        this.streamFrom('once')
      }
    }
    const { app } = await setting(t, { channels: { OnceChannel } })
    const ws = await connect(app, protocols === '' ? {} : { protocols })
    ws.send({ command: 'subscribe', channel: 'OnceChannel', params: {}, ref: 1 })
    ws.send({ command: 'subscribe', channel: 'OnceChannel', params: {}, ref: 2 })
    t.match(await ws.receive(), { type: 'confirm_subscription', ...protocols !== '' && { ref: 1, streams: { once: position } } })
    t.match(await ws.receive(), { type: 'confirm_subscription', ...protocols !== '' && { ref: 2, streams: { once: position } } })
    await app.cable.broadcast('once', 'x')
    t.match(await ws.receive(), { data: 'x' })
    await fence(t, ws, 'once')
    t.equal(runs, 1)
    ws.unsubscribe('OnceChannel')
    await ws.perform('OnceChannel', 'x')
    await app.cable.broadcast('once', 'y')
    await fence(t, ws, 'one unsubscribe ends it')
    t.match(await ws.subscribe('OnceChannel'), { type: 'confirm_subscription' })
    t.equal(runs, 2, 'a new one begins anew')
  }
})

t.test('one channel object lives for one subscription, and keeps its own state', async t => {
  const ends: any[] = []
  class CountingChannel extends Channel {
    count = 0
    more () { return ++this.count }
    unsubscribed () { ends.push(this.count) }
  }
  const { app } = await setting(t, { channels: { CountingChannel } })
  const ws = await connect(app)
  await ws.subscribe('CountingChannel', { a: 1 })
  await ws.subscribe('CountingChannel', { a: 2 })
  await ws.perform('CountingChannel', 'more', {}, { a: 1 })
  t.match(await ws.perform('CountingChannel', 'more', {}, { a: 1 }), { data: 2 })
  t.match(await ws.perform('CountingChannel', 'more', {}, { a: 2 }), { data: 1 })
  ws.unsubscribe('CountingChannel', { a: 1 })
  await ws.subscribe('CountingChannel', { a: 1 })
  t.match(await ws.perform('CountingChannel', 'more', {}, { a: 1 }), { data: 1 }, 'a new subscription, a new object')
  await ws.close()
  t.same(ends.sort(), [1, 1, 2])
})

t.test('unsubscribed() runs exactly once, streams stopped, with the reason and the last user', async t => {
  const users: { [id: string]: { id: string, login: string } | undefined } = { 7: { id: '7', login: 'ana' } }
  const ends: object[] = []
  const last = (reason: EndReason) => ({ reason, user: 'ana', own: 'ana', authenticated: true, aborted: true })
  let loads = 0
  const start = async () => {
    class EndChannel extends Channel {
      subscribed () {
        this.streamFrom('end')
        this.streamFrom('more')
      }

      async unsubscribed (reason: EndReason) {
        await this.broadcast('end', 'to nobody')
        this.send('to nobody')
        this.streamFrom('too late')
        ends.push({ reason, user: current.user?.login, own: this.user?.login, authenticated: this.authenticated, aborted: this.signal.aborted })
      }
    }
    const setup = await setting(t, {
      channels: { EndChannel },
      cookie: { secret },
      session: { cookie: 'session' },
      findUser: id => {
        loads++
        return users[id]
      }
    })
    const ws = await connect(setup.app, { session: '7' })
    t.match(await ws.subscribe('EndChannel'), { type: 'confirm_subscription' })
    loads = 0
    return { ...setup, ws }
  }
  t.test('after an unsubscribe, and not again when the socket closes', async t => {
    ends.length = 0
    const { app, ws } = await start()
    ws.unsubscribe('EndChannel')
    ws.unsubscribe('EndChannel')
    await ws.perform('EndChannel', 'x')
    await app.cable.broadcast('end', 1)
    await fence(t, ws, 'silence')
    await ws.close()
    t.same(ends, [last('unsubscribe')])
    t.equal(loads, 0, 'and asks no database')
  })

  t.test('after the socket closed', async t => {
    ends.length = 0
    const { ws } = await start()
    await ws.close()
    t.same(ends, [last('close')])
    t.equal(loads, 0)
  })

  t.test('after app.cable.disconnect()', async t => {
    ends.length = 0
    const { app, ws } = await start()
    await app.cable.disconnect({ userId: '7' })
    t.same(await ws.closed, { code: 4500, reason: 'unauthorized' })
    await ws.close()
    t.same(ends, [last('disconnect')])
  })

  t.test('after the user was found gone', async t => {
    ends.length = 0
    const { ws } = await start()
    const ana = users[7]
    users[7] = undefined
    ws.send({ command: 'message', channel: 'EndChannel', params: {}, action: 'x' })
    ws.send({ command: 'subscribe', channel: 'EndChannel', params: { other: true } })
    t.same(await ws.closed, { code: 4500, reason: 'unauthorized' })
    users[7] = ana
    await ws.close()
    t.same(ends, [last('disconnect')], 'with the user it had')
  })

  t.test('when the server stops (upstream U16)', async t => {
    ends.length = 0
    const { app } = await start()
    await app.close()
    t.same(ends, [last('shutdown')])
  })
})

t.test('several subscriptions of one connection end each once when it closes', async t => {
  const ends: string[] = []
  class OneChannel extends Channel { unsubscribed () { ends.push(`one ${this.params.n}`) } }
  class OtherChannel extends Channel { async unsubscribed () { ends.push(`other ${this.params.n}`) } }
  const { app } = await setting(t, { channels: { OneChannel, OtherChannel } })
  const ws = await connect(app)
  for (const n of [1, 2]) {
    await ws.subscribe('OneChannel', { n })
    await ws.subscribe('OtherChannel', { n })
  }
  await ws.close()
  t.same(ends.sort(), ['one 1', 'one 2', 'other 1', 'other 2'])
})

t.test('an unsubscribed() that throws or hangs is logged and holds nothing back', async t => {
  const hangs = gate()
  class RudeChannel extends Channel {
    unsubscribed () {
      if (this.params.hang) return hangs
      throw new Error('while leaving')
    }
  }
  const { app, log } = await setting(t, { channels: { RudeChannel }, limits: { endTimeout: 20 } })
  const ws = await connect(app)
  for (const params of [{ hang: false }, { hang: true }]) {
    await ws.subscribe('RudeChannel', params)
    ws.unsubscribe('RudeChannel', params)
    t.match(await ws.subscribe('RudeChannel', params), { type: 'confirm_subscription' }, 'the place is free again')
  }
  t.match(errors(log), [{ err: { message: 'while leaving' } }, { err: { message: 'RudeChannel.unsubscribed() took longer than 20 ms' } }])
  await ws.close()
  hangs.open()
})

t.test('the streams a broadcast could reach are zero after all left', async t => {
  const { app } = await setting(t, { channels: { RoomChannel } })
  const sessions = await Promise.all(Array.from({ length: 5 }, () => connect(app)))
  for (const ws of sessions) await ws.subscribe('RoomChannel', { room: 'a' })
  await sessions[0]!.perform('RoomChannel', 'remove', {}, { room: 'a' })
  await app.cable.broadcast('room_a', 1)
  await fence(t, sessions[0]!, 'who stopped its streams hears nothing', 'RoomChannel', { room: 'a' })
  for (const ws of sessions.slice(1)) t.match(await ws.receive(), { data: 1 })
  await Promise.all(sessions.map(ws => ws.close()))
  await app.cable.broadcast('room_a', 1)
})

t.test('more than limits.maxSubscriptions are rejected with too_many_subscriptions, and leaving one makes room', async t => {
  const { app } = await setting(t, { channels: { RoomChannel }, limits: { maxSubscriptions: 2 } })
  const ws = await connect(app)
  for (const room of ['a', 'b']) t.match(await ws.subscribe('RoomChannel', { room }), { type: 'confirm_subscription' })
  t.same(await ws.subscribe('RoomChannel', { room: 'c' }), { type: 'reject_subscription', channel: 'RoomChannel', params: { room: 'c' }, reason: 'too_many_subscriptions' })
  t.match(await ws.subscribe('RoomChannel', { room: 'a' }), { type: 'confirm_subscription' }, 'asking again is not one more')
  ws.unsubscribe('RoomChannel', { room: 'a' })
  await ws.perform('RoomChannel', 'x', {}, { room: 'a' })
  t.match(await ws.subscribe('RoomChannel', { room: 'c' }), { type: 'confirm_subscription' })
})

t.test('more than limits.maxStreams is an error of the app\'s subscribed()', async t => {
  class WideChannel extends Channel {
    subscribed () { for (let i = 0; i < this.params.n; i++) this.streamFrom(`wide_${i}`) }
  }
  const { app, log } = await setting(t, { channels: { WideChannel }, limits: { maxStreams: 3 } })
  const ws = await connect(app)
  t.match(await ws.subscribe('WideChannel', { n: 3 }), { type: 'confirm_subscription' })
  t.match(await ws.subscribe('WideChannel', { n: 4 }), { type: 'reject_subscription', reason: 'error' })
  t.match(errors(log), [{ err: { code: 'FST_CHANNELS_TOO_MANY_STREAMS' } }])
})

t.test('a pending subscription holds up its own commands, and no other subscription', async t => {
  const waits = gate()
  class SlowChannel extends Channel {
    async subscribed () { await waits }
    ping () { return 'slow' }
  }
  class FastChannel extends Channel { ping () { return 'fast' } }
  const { app } = await setting(t, { channels: { SlowChannel, FastChannel } })
  const ws = await connect(app)
  ws.send({ command: 'subscribe', channel: 'SlowChannel', params: {} })
  ws.send({ command: 'message', channel: 'SlowChannel', params: {}, action: 'ping', id: 1 })
  await ws.subscribe('FastChannel')
  t.match(await ws.perform('FastChannel', 'ping'), { data: 'fast' })
  await fence(t, ws, 'the slow one is still pending')
  waits.open()
  t.match(await ws.receive(), { type: 'confirm_subscription', channel: 'SlowChannel' })
  t.match(await ws.receive(), { type: 'reply', id: 1, data: 'slow' })
})

t.test('signal is aborted the moment a subscription ends, also for who asks afterwards', async t => {
  const signals = new Journal<AbortSignal>()
  const kept: Channel[] = []
  class SignalChannel extends Channel {
    subscribed () {
      kept.push(this)
      if (this.params.early) signals.put(this.signal)
    }
  }
  const { app } = await setting(t, { channels: { SignalChannel } })
  const ws = await connect(app)
  await ws.subscribe('SignalChannel', { early: true })
  await ws.subscribe('SignalChannel', { early: false })
  const signal = await signals.next()
  t.equal(signal.aborted, false)
  await ws.close()
  t.equal(signal.aborted, true)
  t.equal(kept[1]!.signal.aborted, true)
  await until('both ended', () => kept.every(channel => channel.signal.aborted))
})

t.test('the app\'s cookies are readable in a channel, signed or not (guide §5)', async t => {
  const seen = new Journal<any>()
  class CookieChannel extends Channel {
    subscribed () { seen.put([this.request.cookies.theme, this.request.unsignCookie(this.request.cookies.mark!).value]) }
  }
  const { app } = await setting(t, {}, async app => {
    await app.register(cookie, { secret })
    app.channel(CookieChannel)
  })
  await app.ready()
  const ws = await connect(app, { cookies: { theme: 'dark', mark: app.signCookie('42') } })
  await ws.subscribe('CookieChannel')
  t.same(await seen.next(), ['dark', '42'])
})

t.test('a time limit that is turned off waits as long as it takes', async t => {
  const later = async <T>(value: T): Promise<T> => await new Promise(resolve => setImmediate(() => resolve(value)))
  class PatientChannel extends Channel {
    subscribed () { return later(null) }
    unsubscribed () { return later(null) }
    who () { return later(this.user) }
  }
  const off = { identifyTimeout: false, subscribeTimeout: false, endTimeout: false, upgradeTimeout: false } as const
  const { app, log } = await setting(t, { channels: { PatientChannel }, session: () => later('ana'), findUser: id => later(id), limits: off })
  const ws = await connect(app)
  t.match(await ws.subscribe('PatientChannel'), { type: 'confirm_subscription' })
  t.match(await ws.perform('PatientChannel', 'who'), { data: 'ana' })
  await ws.close()
  t.same(errors(log), [])
})
