// What may happen while something is still running: the race table, each row as a sentence, and as a law that random schedules may not break.
import fc from 'fast-check'
import { Channel } from 'fastify-channels'
import type { EndReason } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import Fastify from 'fastify'
import t from 'tap'
import channels from '../src/index.ts'
import { kConnections } from '../src/plugin.ts'
import { errors, fence, gate, Journal, setting, until } from './setting.ts'
import type { Gate } from './setting.ts'

/** A channel that waits for the test wherever it can, and tells what it did. */
async function slowly (t: any, options: object = {}) {
  const journal = new Journal<string>()
  const gates: Gate<string>[] = []
  const channelsMade: SlowChannel[] = []
  class SlowChannel extends Channel {
    async subscribed () {
      channelsMade.push(this)
      this.streamFrom('room')
      this.send('hello')
      journal.put('subscribed begins')
      const answer = gate<string>()
      gates.push(answer)
      if (await answer === 'no') this.reject()
      if (await answer === 'boom') throw new Error('boom')
      this.send('welcome')
      journal.put('subscribed ends')
    }

    unsubscribed (reason: EndReason) { journal.put(`unsubscribed ${reason}`) }
    act (data: any) {
      journal.put(`act ${data}`)
      return data
    }

    later () {
      return {
        stream: () => this.streamFrom('later'),
        send: () => this.send('later')
      }
    }
  }
  const setup = await setting(t, { channels: { SlowChannel }, session: request => request.headers['x-user'] as string, findUser: login => ({ login }), ...options })
  const ws = await connect(setup.app, { headers: { 'x-user': 'ana' } })
  const say = (command: string, more: object = {}) => ws.send({ command, channel: 'SlowChannel', params: {}, ...more })
  const begin = async () => {
    const before = gates.length
    say('subscribe')
    await until('subscribed() runs', () => gates.length === before + 1)
    // Not the gate itself: an async function would wait for it.
    const { open } = gates[before]!
    return { open }
  }
  return { ...setup, ws, journal, gates, say, begin, channelsMade }
}

const hello = { type: 'message', data: 'hello' }
const welcome = { type: 'message', data: 'welcome' }
const confirmed = { type: 'confirm_subscription', channel: 'SlowChannel' }
const rejected = { type: 'reject_subscription', channel: 'SlowChannel' }

t.test('while subscribed() is pending', async t => {
  t.test('S1: an unsubscribe waits for it; the answer is sent, then unsubscribed() runs once, and nothing more is heard', async t => {
    const { app, ws, journal, say, begin } = await slowly(t)
    const answer = await begin()
    say('unsubscribe')
    await fence(t, ws, 'nothing yet')
    answer.open('yes')
    t.match([await ws.receive(), await ws.receive(), await ws.receive()], [hello, welcome, confirmed])
    await fence(t, ws, 'it is left', 'SlowChannel')
    await app.cable.broadcast('room', 1)
    await fence(t, ws, 'silence')
    await ws.close()
    t.same(journal.all, ['subscribed begins', 'subscribed ends', 'unsubscribed unsubscribe'])
  })

  t.test('S1: and where it rejects, the reject is the answer and nothing is left', async t => {
    const { ws, journal, say, begin } = await slowly(t)
    const answer = await begin()
    say('unsubscribe')
    answer.open('no')
    t.match(await ws.receive(), rejected)
    await fence(t, ws, 'and no more', 'SlowChannel')
    await ws.close()
    t.same(journal.all, ['subscribed begins'])
  })

  t.test('S2: the socket closes: signal aborts, nothing is sent or streamed, unsubscribed() runs once iff it completed', async t => {
    for (const [verdict, ends] of [['yes', ['subscribed begins', 'subscribed ends', 'unsubscribed close']], ['no', ['subscribed begins']], ['boom', ['subscribed begins']]] as const) {
      const { app, log, ws, journal, begin, channelsMade } = await slowly(t)
      const answer = await begin()
      const { signal } = channelsMade[0]!
      const closing = ws.close()
      await until('signal aborts', () => signal.aborted)
      answer.open(verdict)
      await closing
      t.same(journal.all, ends, verdict)
      t.same(ws.frames, [])
      t.same(errors(log), [], 'a failure that answers nobody is nobody\'s to see')
      await app.cable.broadcast('room', 1)
    }
  })

  t.test('S2: a subscribed() that never settles after that holds nothing back', async t => {
    const { ws, journal, begin } = await slowly(t, { limits: { endTimeout: 20 } })
    await begin()
    await ws.close()
    t.same(journal.all, ['subscribed begins'])
  })

  t.test('S3: a second subscribe of the same key waits, and is answered with a second confirm; subscribed() ran once', async t => {
    const { app, ws, journal, say, begin } = await slowly(t)
    const answer = await begin()
    say('subscribe')
    answer.open('yes')
    for (const frame of [hello, welcome, confirmed, confirmed]) t.match(await ws.receive(), frame)
    await app.cable.broadcast('room', 1)
    t.match(await ws.receive(), { data: 1 })
    await fence(t, ws, 'once', 'SlowChannel')
    say('unsubscribe')
    await fence(t, ws, 'and one unsubscribe leaves', 'SlowChannel')
    t.same(journal.all, ['subscribed begins', 'subscribed ends', 'unsubscribed unsubscribe'])
  })

  t.test('S3: and where the first is rejected, the second asks again', async t => {
    const { ws, journal, gates, say, begin } = await slowly(t)
    const answer = await begin()
    say('subscribe')
    answer.open('no')
    t.match(await ws.receive(), rejected)
    await until('it is asked again', () => gates.length === 2)
    gates[1]!.open('yes')
    for (const frame of [hello, welcome, confirmed]) t.match(await ws.receive(), frame)
    t.same(journal.all, ['subscribed begins', 'subscribed begins', 'subscribed ends'])
  })

  t.test('S4: subscribe, unsubscribe, subscribe: twice subscribed, once unsubscribed, two confirms, subscribed in the end', async t => {
    const { app, ws, journal, gates, say, begin } = await slowly(t)
    const answer = await begin()
    say('unsubscribe')
    say('subscribe')
    answer.open('yes')
    await until('the second begins', () => gates.length === 2)
    gates[1]!.open('yes')
    for (const frame of [hello, welcome, confirmed, hello, welcome, confirmed]) t.match(await ws.receive(), frame)
    await app.cable.broadcast('room', 1)
    t.match(await ws.receive(), { data: 1 })
    await fence(t, ws, 'once', 'SlowChannel')
    t.same(journal.all, ['subscribed begins', 'subscribed ends', 'unsubscribed unsubscribe', 'subscribed begins', 'subscribed ends'])
  })

  t.test('S5: messages wait for it and run in their order; they are not_subscribed where it rejects', async t => {
    const { ws, journal, say, begin } = await slowly(t)
    const first = await begin()
    for (const id of [1, 2]) say('message', { action: 'act', data: id, id })
    await fence(t, ws, 'nothing runs')
    first.open('yes')
    for (const frame of [hello, welcome, confirmed, { id: 1, data: 1 }, { id: 2, data: 2 }]) t.match(await ws.receive(), frame)
    t.same(journal.all, ['subscribed begins', 'subscribed ends', 'act 1', 'act 2'])
    say('unsubscribe')
    const second = await begin()
    for (const id of [3, undefined]) say('message', { action: 'act', data: id, id })
    second.open('no')
    t.match(await ws.receive(), rejected)
    t.match(await ws.receive(), { type: 'reply', id: 3, reason: 'not_subscribed' })
    t.same(await ws.receive(), { type: 'error', reason: 'not_subscribed' })
  })

  t.test('S6: broadcasts are held, and flushed after the confirm', async t => {
    const { app, ws, begin } = await slowly(t)
    const answer = await begin()
    await app.cable.broadcast('room', 1)
    await fence(t, ws, 'held')
    answer.open('yes')
    for (const frame of [hello, welcome, confirmed, { data: 1 }]) t.match(await ws.receive(), frame)
  })

  t.test('S7, S8: a reject and a throw drop what was held and sent, leave the streams, and owe no unsubscribed()', async t => {
    for (const verdict of ['no', 'boom']) {
      const { app, ws, journal, begin } = await slowly(t)
      const answer = await begin()
      await app.cable.broadcast('room', 1)
      answer.open(verdict)
      t.same(await ws.receive(), { ...rejected, params: {}, ...verdict === 'boom' && { reason: 'error' } })
      await app.cable.broadcast('room', 2)
      await fence(t, ws, 'silence', 'SlowChannel')
      await ws.close()
      t.same(journal.all, ['subscribed begins'])
    }
  })

  t.test('S9: a hang is rejected with timeout; what was queued behind it goes on', async t => {
    const { ws, journal, gates, say, begin } = await slowly(t, { limits: { subscribeTimeout: 20 } })
    const answer = await begin()
    say('message', { action: 'act', data: 1, id: 1 })
    t.match(await ws.receive(), { ...rejected, reason: 'timeout' })
    t.match(await ws.receive(), { id: 1, reason: 'not_subscribed' })
    answer.open('no')
    const again = await begin()
    again.open('yes')
    for (const frame of [hello, welcome, confirmed]) t.match(await ws.receive(), frame)
    t.equal(gates.length, 2)
    await ws.close()
    t.same(journal.all, ['subscribed begins', 'subscribed begins', 'subscribed ends', 'unsubscribed close'])
  })

  t.test('S10: disconnect({ userId }) ends it as a close does', async t => {
    const { app, ws, journal, begin, channelsMade } = await slowly(t)
    const answer = await begin()
    await app.cable.disconnect({ userId: 'ana' })
    t.match(await ws.closed, { code: 4500 })
    t.equal(channelsMade[0]!.signal.aborted, true)
    answer.open('yes')
    await ws.close()
    t.same(journal.all, ['subscribed begins', 'subscribed ends', 'unsubscribed disconnect'])
    t.same(ws.frames, [])
  })
})

t.test('S11: streamFrom() and send() after the end do nothing', async t => {
  const { app, ws, say, begin, channelsMade } = await slowly(t)
  const answer = await begin()
  answer.open('yes')
  for (let i = 0; i < 3; i++) await ws.receive()
  const { stream, send } = channelsMade[0]!.later()
  say('unsubscribe')
  await fence(t, ws, 'left', 'SlowChannel')
  stream()
  send()
  await app.cable.broadcast('later', 1)
  await fence(t, ws, 'silence')
})

t.test('S12: an unsubscribed() that throws or hangs is logged, and the place is free anyway', async t => {
  class RudeChannel extends Channel {
    unsubscribed () {
      if (this.params.hang) return new Promise(() => {})
      throw new Error('rude')
    }
  }
  const { app, log } = await setting(t, { channels: { RudeChannel }, limits: { endTimeout: 20 } })
  const ws = await connect(app)
  for (const params of [{ hang: true }, { hang: false }]) {
    await ws.subscribe('RudeChannel', params)
    ws.unsubscribe('RudeChannel', params)
    t.match(await ws.subscribe('RudeChannel', params), { type: 'confirm_subscription' })
  }
  t.equal(errors(log).length, 2)
})

t.test('a running action that never settles holds an unsubscribe back for limits.endTimeout, and signal tells it', async t => {
  const signals: AbortSignal[] = []
  const ends: string[] = []
  const late = gate()
  class HangingChannel extends Channel {
    subscribed () { this.streamFrom('room') }
    async hang () {
      signals.push(this.signal)
      await late
      this.send('late')
      return 'late'
    }

    unsubscribed (reason: string) { ends.push(reason) }
  }
  const { app } = await setting(t, { channels: { HangingChannel }, limits: { endTimeout: 20 } })
  const ws = await connect(app)
  await ws.subscribe('HangingChannel')
  ws.send({ command: 'message', channel: 'HangingChannel', params: {}, action: 'hang', id: 1 })
  await until('it hangs', () => signals.length === 1)
  ws.unsubscribe('HangingChannel')
  await until('it ends', () => ends.length === 1)
  t.equal(signals[0]!.aborted, true)
  await app.cable.broadcast('room', 1)
  await fence(t, ws, 'silence')
  t.match(await ws.subscribe('HangingChannel'), { type: 'confirm_subscription' }, 'a new one may begin')
  late.open()
  t.match(await ws.receive(), { type: 'reply', id: 1, data: 'late' }, 'a call always gets its reply')
  await fence(t, ws, 'but what it sent is dropped', 'HangingChannel')
  await ws.close()
  t.same(ends, ['unsubscribe', 'close'])
})

// --- the law, under random schedules ---

type Verdict = 'yes' | 'no' | 'boom'
type Step =
  | { readonly do: 'subscribe' | 'unsubscribe' | 'message', readonly key: number }
  | { readonly do: 'broadcast' }
  | { readonly do: 'close' | 'disconnect' }

/** What both servers, ours and the naive one, are asked to run. */
interface Behaviour {
  subscribed: (key: number, streamFrom: () => void) => Promise<Verdict>
  act: () => Promise<void>
  unsubscribed: (key: number) => Promise<void>
}

/** A server with one visitor. */
interface Served {
  say: (step: Step) => void
  broadcast: (n: number) => void
  /** All frames for the visitor, once everything is done. */
  settle: () => Promise<any[]>
}

type Server = (behaviour: Behaviour) => Promise<Served>

const kinds = { subscribe: 'subscribe', unsubscribe: 'unsubscribe', message: 'message' }
const command = (step: Step) => ({ command: kinds[step.do as keyof typeof kinds], channel: 'C', params: { key: (step as any).key }, action: 'act', id: 1 })

const ours: Server = async behaviour => {
  class C extends Channel<{ key: number }> {
    async subscribed () {
      const verdict = await behaviour.subscribed(this.params.key, () => this.streamFrom('room'))
      if (verdict === 'no') this.reject()
      if (verdict === 'boom') throw new Error('boom')
    }

    act () { return behaviour.act() }
    unsubscribed () { return behaviour.unsubscribed(this.params.key) }
  }
  const app = Fastify()
  await app.register(channels, { channels: { C }, session: () => 'ana', findUser: login => ({ login }) })
  const ws = await connect(app)
  const [connection] = app[kConnections]
  return {
    say (step) {
      if (step.do === 'close') connection!.terminate()
      else if (step.do === 'disconnect') app.cable.disconnect({ userId: 'ana' })
      else connection!.receive(Buffer.from(JSON.stringify(command(step))), false)
    },
    broadcast: n => { app.cable.broadcast('room', n) },
    async settle () {
      await app.cable.broadcast('room', 'fence')
      if (app[kConnections].size > 0) await ws.perform('X', 'x')
      const frames = [...ws.frames].filter(({ type }) => type !== 'disconnect')
      await ws.close()
      await app.close()
      return frames
    }
  }
}

/** What one writes first: it awaits, and then believes that nothing has changed. */
const naive: Server = async behaviour => {
  const frames: any[] = []
  const subscriptions = new Map<number, { hears: boolean }>()
  const listeners = new Set<number>()
  let isOpen = true
  const write = (frame: object) => { if (isOpen) frames.push(frame) }
  const handle = async (step: any) => {
    const { key } = step
    const params = { key }
    if (step.do === 'subscribe') {
      const subscription = { hears: false }
      const verdict = await behaviour.subscribed(key, () => { subscription.hears = true; listeners.add(key) })
      if (verdict !== 'yes') {
        listeners.delete(key)
        return write({ type: 'reject_subscription', params })
      }
      subscriptions.set(key, subscription)
      write({ type: 'confirm_subscription', params })
    } else if (step.do === 'unsubscribe') {
      if (!subscriptions.delete(key)) return
      listeners.delete(key)
      await behaviour.unsubscribed(key)
    } else if (step.do === 'message') {
      if (!subscriptions.has(key)) return write({ type: 'reply', status: 'error' })
      await behaviour.act()
      write({ type: 'reply', status: 'ok' })
    } else {
      isOpen = false
      for (const key of subscriptions.keys()) await behaviour.unsubscribed(key)
    }
  }
  return {
    say: step => { handle(step) },
    broadcast: n => { for (const key of listeners) write({ type: 'message', params: { key }, data: n }) },
    async settle () {
      handle({ do: 'close' })
      return frames
    }
  }
}

/** What each subscription did, as the channel saw it. */
interface Life {
  readonly key: number
  readonly verdict: Verdict
  /** The next broadcast when it began to listen, and when its unsubscribed() began. */
  from: number
  to: number | null
  ends: number
  completed: boolean
}

const lawful = (server: Server) => fc.asyncProperty(
  fc.scheduler(),
  fc.array(fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('subscribe' as const), key: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), key: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('message' as const), key: fc.integer({ min: 1, max: 2 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('broadcast' as const) }) }
  ), { minLength: 2, maxLength: 14 }),
  fc.array(fc.constantFrom<Verdict>('yes', 'yes', 'yes', 'no', 'boom'), { minLength: 14, maxLength: 14 }),
  fc.option(fc.record({ do: fc.constantFrom('close' as const, 'disconnect' as const), at: fc.nat(14) }), { freq: 2 }),
  async (scheduler, commands, verdicts, end) => {
    const lives: Life[] = []
    const running = new Map<number, number>()
    const overlaps: string[] = []
    let broadcasts = 0
    const turn = (what: string) => scheduler.schedule(Promise.resolve(), what)
    const alone = async <T>(key: number, work: () => Promise<T>): Promise<T> => {
      if (running.get(key)) overlaps.push(`two things of ${key} at once`)
      running.set(key, 1)
      try {
        return await work()
      } finally {
        running.set(key, 0)
      }
    }
    const byKey = new Map<number, Verdict[]>([1, 2].map(key => [key, verdicts.filter((_, index) => index % 2 === key % 2)]))
    const served = await server({
      subscribed: (key, streamFrom) => alone(key, async () => {
        const life: Life = { key, verdict: byKey.get(key)!.shift()!, from: -1, to: null, ends: 0, completed: false }
        lives.push(life)
        await turn(`subscribed ${key} begins`)
        streamFrom()
        life.from = broadcasts
        await turn(`subscribed ${key} ends`)
        life.completed = life.verdict === 'yes'
        return life.verdict
      }),
      act: () => turn('act'),
      unsubscribed: key => alone(key, async () => {
        const life = lives.findLast(life => life.key === key && life.completed && life.ends === 0) ?? lives.findLast(life => life.key === key)!
        life.to ??= broadcasts
        life.ends++
        await turn(`unsubscribed ${key}`)
      })
    })
    const steps: Step[] = [...commands]
    if (end !== null) steps.splice(end.at, 0, { do: end.do })
    scheduler.scheduleSequence(steps.map(step => ({
      label: JSON.stringify(step),
      async builder () {
        if (step.do === 'broadcast') return served.broadcast(broadcasts++)
        served.say(step)
      }
    })))
    let frames: any[] | null = null
    let isSettling = false
    while (frames === null) {
      await scheduler.waitIdle()
      await new Promise(resolve => setImmediate(resolve))
      if (scheduler.count() > 0 || isSettling) continue
      // The end of the connection has things to wait for as well.
      isSettling = true
      served.settle().then(all => { frames = all })
    }

    // One thing at a time per subscription.
    if (overlaps.length > 0) throw new Error(overlaps[0])
    // unsubscribed() exactly once for each subscribed() that completed without a reject, never otherwise.
    for (const life of lives) {
      const owed = life.completed ? 1 : 0
      if (life.ends !== owed) throw new Error(`unsubscribed() ran ${life.ends} times for ${JSON.stringify(life)}`)
    }
    if (end !== null) return
    // The answers of each key are those of one command after the other, whatever the schedule.
    for (const key of [1, 2]) {
      const verdictsLeft = verdicts.filter((_, index) => index % 2 === key % 2)
      const expected: string[] = []
      let isSubscribed = false
      for (const step of commands) {
        if (step.do === 'broadcast' || step.key !== key) continue
        if (step.do === 'unsubscribe') isSubscribed = false
        if (step.do !== 'subscribe') continue
        if (!isSubscribed) isSubscribed = verdictsLeft.shift() === 'yes'
        expected.push(isSubscribed ? 'confirm_subscription' : 'reject_subscription')
      }
      const own = (frames as any[]).filter(({ params }) => params?.key === key)
      const answers = own.filter(({ type }) => type !== 'message').map(({ type }) => type)
      if (answers.join() !== expected.join()) throw new Error(`the answers of ${key} are ${answers.join()}, not ${expected.join()}`)
      // A subscription hears every broadcast from streamFrom() to its end, once, in order, after its confirmation; a rejected one none.
      const heard = own.filter(({ type, data }) => type === 'message' && data !== 'fence').map(({ data }) => data)
      const due = lives.filter(life => life.key === key && life.completed).flatMap(({ from, to }) => Array.from({ length: (to ?? broadcasts) - from }, (_, n) => from + n))
      if (heard.join() !== due.join()) throw new Error(`${key} heard ${heard.join()}, not ${due.join()}`)
      let confirms = 0
      for (const { type } of own) {
        if (type === 'confirm_subscription') confirms++
        if (type === 'message' && confirms === 0) throw new Error(`${key} heard something before any confirmation`)
      }
    }
    // Every call is answered.
    const calls = commands.filter(step => step.do === 'message').length
    const replies = (frames as any[]).filter(({ type }) => type === 'reply').length
    if (replies !== calls) throw new Error(`${replies} replies for ${calls} calls`)
  }
)

t.test('under random schedules the law holds', async t => {
  await fc.assert(lawful(ours), { numRuns: 150 })
  t.pass('150 schedules')
})

t.test('and it is a law that can be broken: a handler that believes nothing changes while it waits breaks it at once', async t => {
  const { failed, numRuns } = await fc.check(lawful(naive), { numRuns: 150, endOnFailure: true })
  t.equal(failed, true)
  t.ok(numRuns <= 50, `found in ${numRuns} runs`)
})
