// Everything a stranger can hold has a limit: each one is reached here, with its answer, and whoever stays within it is served on.
import tap from 'tap'
import { Channel } from 'fastify-channels'
import { kConnections } from '../src/plugin.ts'
import { defaultLimits, resolveLimits } from '../src/limits.ts'
import { alarms, ChatChannel, FreeChannel, gates, isPrototypeClean, ran, start, until } from './corpus/app.ts'
import { frame, opcodes, Peer, requestHead } from './corpus/raw.ts'

const free = (params: object) => JSON.stringify({ command: 'subscribe', channel: 'FreeChannel', params })
const leave = (params: object) => JSON.stringify({ command: 'unsubscribe', channel: 'FreeChannel', params })
const chat = '{"command":"subscribe","channel":"ChatChannel","params":{"room":"general"}}'
const call = (action: string, data: unknown, id?: number) => JSON.stringify({ command: 'message', channel: 'ChatChannel', params: { room: 'general' }, action, data, id })
const rateLimited = { type: 'error', reason: 'rate_limited' }

/** Proves that the server has read all that was written before, and gives what it said meanwhile. */
async function settle (peer: Peer): Promise<any[]> {
  peer.write(frame('settled', { opcode: opcodes.ping }))
  const heard = []
  for (let next = await peer.next(); next.opcode !== opcodes.pong; next = await peer.next()) heard.push(JSON.parse(next.payload.toString()))
  return heard
}

tap.test('every limit is a number of its own, or off, and a name that is none is an error', async t => {
  for (const name of Object.keys(defaultLimits)) {
    t.equal(resolveLimits({ [name]: false })[name as keyof typeof defaultLimits], Infinity, `${name} can be turned off`)
    t.equal(resolveLimits({ [name]: 7 })[name as keyof typeof defaultLimits], 7, `${name} can be set`)
    for (const wrong of [0, -1, NaN, '7', null, true, {}]) t.throws(() => resolveLimits({ [name]: wrong }), { code: 'FST_CHANNELS_INVALID_OPTION' })
  }
  for (const name of ['maxPayloads', '__proto__', 'constructor', 'toString']) t.throws(() => resolveLimits(JSON.parse(`{"${name}":1}`)), { code: 'FST_CHANNELS_INVALID_OPTION' }, name)
})

tap.test('maxPayload: a longer message ends the line with 1009, whatever it is cut into', async t => {
  const { app, port } = await start({ limits: { maxPayload: 100 } })
  t.teardown(() => app.close())
  const good = await Peer.open(port)
  good.say('x'.repeat(100))
  t.same(await good.nextText(), { type: 'error', reason: 'invalid_json' })
  good.destroy()
  for (const bytes of [frame('x'.repeat(101)), frame('', { declared: 101 }), Buffer.concat([frame('x'.repeat(60), { fin: false }), frame('x'.repeat(41), { opcode: opcodes.continuation })])]) {
    const peer = await Peer.open(port)
    peer.write(bytes)
    t.same(await peer.ended(), { code: 1009 })
  }
})

tap.test('maxFragments, maxBufferedChunks and maxPendingPongs reach the wire', async t => {
  const { app, port } = await start({ limits: { maxFragments: 4, maxBufferedChunks: 8, maxPendingPongs: 3 } })
  t.teardown(() => app.close())
  const part = (text: string, opcode: number, fin = false) => frame(text, { opcode, fin })
  const good = await Peer.open(port)
  good.write(Buffer.concat([part('{', opcodes.text), part('', opcodes.continuation), part('', opcodes.continuation), part('}', opcodes.continuation, true)]))
  t.same(await good.nextText(), { type: 'error', reason: 'unknown_command' })
  good.destroy()

  const fragments = await Peer.open(port)
  fragments.write(Buffer.concat([part('', opcodes.text), ...Array.from({ length: 4 }, () => part('', opcodes.continuation))]))
  t.same(await fragments.ended(), { code: 1008 })

  const chunks = await Peer.open(port)
  chunks.write(frame('', { declared: 1000 }))
  while (!chunks.isOver && chunks.heard.length === 0) {
    chunks.write('x')
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(await chunks.ended(), { code: 1008 })

  const pings = await Peer.open(port)
  pings.write(Buffer.concat(Array.from({ length: 1000 }, () => frame('', { opcode: opcodes.ping }))))
  t.same(await pings.ended(), { code: null })
})

tap.test('maxSubscriptions counts those that are pending, and a place that is left can be taken', async t => {
  const { app, port } = await start({ limits: { maxSubscriptions: 3 } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  const slow = (n: number) => JSON.stringify({ command: 'subscribe', channel: 'SlowChannel', params: { n } })
  peer.say(slow(0), slow(1), slow(2), slow(3))
  const answers = []
  for (let n = 0; n < 4; n++) answers.push(await peer.nextText())
  t.same(answers.map(({ type, params: { n }, reason }) => [type, n, reason]), [['reject_subscription', 3, 'too_many_subscriptions'], ['confirm_subscription', 0, undefined], ['confirm_subscription', 1, undefined], ['confirm_subscription', 2, undefined]])
  peer.say(slow(0), '{"command":"subscribe","channel":"NoChannel"}', '{"command":"unsubscribe","channel":"SlowChannel","params":{"n":1}}', free({}))
  t.same((await peer.nextText()).type, 'confirm_subscription', 'what one has already costs nothing')
  t.same((await peer.nextText()).reason, 'unknown_channel')
  t.same(await peer.nextText(), { type: 'confirm_subscription', channel: 'FreeChannel', params: {} })
  peer.destroy()
})

tap.test('a subscribe that was turned away holds no place', async t => {
  const { app, port } = await start({ limits: { maxSubscriptions: 1, commandRate: false } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  for (const channel of ['InboxChannel', 'BoomChannel', 'NoChannel', 'ChatChannel']) {
    peer.say(JSON.stringify({ command: 'subscribe', channel }))
    t.match(await peer.nextText(), { type: 'reject_subscription', channel })
  }
  peer.say(free({}))
  t.match(await peer.nextText(), { type: 'confirm_subscription' })
  peer.destroy()
})

tap.test('maxStreams: one stream too many throws in the channel, and the subscribe is rejected', async t => {
  class WideChannel extends Channel<{ n: number }> {
    static override actions = { more: true } as const
    override subscribed () { for (let n = 0; n < this.params.n; n++) this.streamFrom(`wide_${n}`) }
    more () { this.streamFrom('one more') }
  }
  const { app, port, log } = await start({ channels: { WideChannel } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  peer.say('{"command":"subscribe","channel":"WideChannel","params":{"n":101}}')
  t.match(await peer.nextText(), { type: 'reject_subscription', reason: 'error' })
  t.match(alarms(log)[0], { err: { code: 'FST_CHANNELS_TOO_MANY_STREAMS' } })
  peer.say('{"command":"subscribe","channel":"WideChannel","params":{"n":100}}', '{"command":"message","channel":"WideChannel","params":{"n":100},"action":"more","id":1}')
  t.match(await peer.nextText(), { type: 'confirm_subscription' })
  t.same(await peer.nextText(), { type: 'reply', id: 1, status: 'error', reason: 'error' })
  peer.destroy()
})

tap.test('the sizes of params, data, names and identities are options', async t => {
  const { app, port } = await start({ limits: { paramsDepth: 1, paramsNodes: 2, dataDepth: 1, dataNodes: 2, maxChannelName: 11, maxIdentifier: 40, maxPositions: 1, violations: false } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  const cases: Array<[string, string]> = [
    [free({ a: 1, b: 2 }), 'confirm_subscription'],
    [free({ a: 1, b: 2, c: 3 }), 'error'],
    [free({ a: {} }), 'error'],
    [free({ a: 'x'.repeat(30) }), 'error'],
    ['{"command":"subscribe","channel":"FreeChannels"}', 'error'],
    ['{"command":"subscribe","channel":"FreeChannel","positions":{"a":"e.1","b":"e.2"}}', 'error'],
    ['{"command":"message","channel":"FreeChannel","params":{"a":1,"b":2},"action":"seen","id":1,"data":[1,2]}', 'reply'],
    ['{"command":"message","channel":"FreeChannel","params":{"a":1,"b":2},"action":"seen","data":[1,2,3]}', 'error'],
    ['{"command":"message","channel":"FreeChannel","params":{"a":1,"b":2},"action":"seen","data":[[]]}', 'error']
  ]
  for (const [text, type] of cases) {
    peer.say(text)
    t.match(await peer.nextText(), type === 'error' ? { type, reason: 'invalid_message' } : { type }, text)
  }
  peer.destroy()
})

tap.test('commandBurst and commandRate: what is too fast is not carried out and not read, one word says so, and the socket stays', async t => {
  ran.clear()
  const { app, port } = await start({ limits: { commandRate: 1 } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  peer.say(chat)
  await peer.nextText()
  peer.say(...Array.from({ length: 300 }, (_, n) => call('speak', n)))
  const heard: any[] = []
  while (heard.length < 200) heard.push(await peer.nextText())
  heard.push(...await settle(peer))
  const limited = heard.filter(({ type }) => type === 'error')
  const said = heard.filter(({ type }) => type === 'message').map(({ data }) => data.said)
  t.same(said.slice(0, 199), Array.from({ length: 199 }, (_, n) => n), 'those within the burst ran, in order')
  t.ok(said.length < 290, 'the others did not')
  t.ok(limited.length >= 1 && limited.length < 5, 'and one answer stands for many')
  t.same(limited[0], rateLimited)
  peer.write(frame('{}', { opcode: opcodes.ping }))
  t.equal((await peer.next()).opcode, opcodes.pong, 'the socket is open')
  peer.destroy()
})

tap.test('whoever floods still hears every broadcast, in order, and so does everybody else', async t => {
  const { app, port } = await start({ limits: { violations: false } })
  t.teardown(() => app.close())
  const [flooder, other] = [await Peer.open(port), await Peer.open(port)]
  for (const peer of [flooder, other]) {
    peer.say(chat)
    await peer.nextText()
  }
  for (let n = 0; n < 100; n++) {
    flooder.say(...Array.from({ length: 50 }, () => call('nothing', n)))
    await app.cable.broadcast('chat_general', n)
  }
  for (const peer of [flooder, other]) {
    const heard: number[] = []
    while (heard.length < 100) {
      const { type, data } = await peer.nextText()
      if (type === 'message') heard.push(data)
    }
    t.same(heard, Array.from({ length: 100 }, (_, n) => n))
    peer.destroy()
  }
})

tap.test('violations: whoever breaks the rules too often is closed with 1008, after an answer to each', async t => {
  const { app, port, connections } = await start({ limits: { violations: 3 } })
  t.teardown(() => app.close())
  const bystander = await Peer.open(port)
  for (const words of ['nonsense', '[]', '{"command":"nothing"}', '{"command":"subscribe","channel":1}', '{"command":"message","channel":"x","id":-1}']) {
    const peer = await Peer.open(port)
    peer.say(words, words, words)
    for (let n = 0; n < 3; n++) t.equal((await peer.nextText()).type, 'error')
    t.same(await settle(peer), [], 'three are forgiven')
    peer.say(words)
    t.equal((await peer.nextText()).type, 'error')
    t.same(await peer.ended(), { code: 1008 }, `${words} four times`)
  }
  const good = await Peer.open(port)
  good.say(...Array.from({ length: 20 }, () => '{"command":"subscribe","channel":"NoChannel"}'), ...Array.from({ length: 20 }, () => '{"command":"pong"}'))
  for (let n = 0; n < 20; n++) t.equal((await good.nextText()).type, 'reject_subscription')
  t.same(await settle(good), [], 'a rejection is no violation')
  good.destroy()
  bystander.say(free({}))
  t.match(await bystander.nextText(), { type: 'confirm_subscription' }, 'nobody else is closed')
  bystander.destroy()
  await until(() => connections() === 0)
})

tap.test('violations of long ago are forgiven', async t => {
  const { app, port } = await start({ limits: { violations: 3 } })
  t.teardown(() => app.close())
  const [now, first] = [performance.now.bind(performance), await Peer.open(port)]
  let later = 60_000
  t.intercept(performance, 'now', { value: () => now() + later })
  const say = async (count: number) => {
    for (let n = 0; n < count; n++) {
      first.say('nonsense')
      t.equal((await first.nextText()).type, 'error')
    }
  }
  await say(3)
  later += 10_001
  await say(3)
  t.same(await settle(first), [], 'three more, ten seconds after the first')
  later += 9000
  await say(1)
  t.same(await first.ended(), { code: 1008 }, 'one too many within ten seconds')
})

tap.test('a flood that does not end is closed with 1008', async t => {
  const { app, port } = await start({ limits: { commandRate: 1, commandBurst: 1, violations: 5 } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  while (!peer.isOver && peer.heard.every(({ opcode }) => opcode !== opcodes.close)) {
    peer.say(...Array.from({ length: 20 }, () => '{"command":"pong"}'))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.same(await peer.ended(), { code: 1008 })
})

tap.test('maxPendingCommands: with so many under way the socket is not read, until one is done', async t => {
  gates.length = 0
  const { app, port } = await start({ limits: { maxPendingCommands: 4 } })
  t.teardown(() => app.close())
  const [peer, bystander] = [await Peer.open(port), await Peer.open(port)]
  for (let n = 0; n < 6; n++) {
    peer.say(free({ n }))
    await peer.nextText()
  }
  for (let n = 0; n < 6; n++) {
    peer.say(JSON.stringify({ command: 'message', channel: 'FreeChannel', params: { n }, action: 'gate', id: n }))
    if (n < 4) await until(() => gates.length === n + 1)
  }
  for (let n = 0; n < 5; n++) {
    bystander.say(free({ n }))
    t.match(await bystander.nextText(), { type: 'confirm_subscription' }, 'somebody else is read')
  }
  t.equal(gates.length, 4, 'the fifth waits outside')
  gates[2]!('done')
  t.same(await peer.nextText(), { type: 'reply', id: 2, status: 'ok', data: 'done' })
  await until(() => gates.length >= 5)
  gates.forEach(open => open('done'))
  const answered = new Set([2])
  while (answered.size < 6) {
    gates.forEach(open => open('done'))
    answered.add((await peer.nextText()).id)
  }
  t.pass('and all are answered in the end')
  peer.destroy()
  bystander.destroy()
})

tap.test('maxConnections and connectionsPerIp: one handshake too many is turned away and told when to come back', async t => {
  for (const [limits, status] of [[{ maxConnections: 2 }, 503], [{ connectionsPerIp: 2 }, 429]] as const) {
    const { app, port, connections } = await start({ limits })
    t.teardown(() => app.close())
    const [first, second] = [await Peer.open(port), await Peer.open(port)]
    const third = new Peer(port)
    t.equal(await third.handshake(requestHead()), status)
    t.match(third.head, /retry-after: \d+/i)
    await third.ended()
    first.destroy()
    await until(() => connections() === 1)
    const fourth = await Peer.open(port)
    for (const peer of [second, fourth]) {
      peer.say(free({}))
      t.match(await peer.nextText(), { type: 'confirm_subscription' })
      peer.destroy()
    }
  }
})

tap.test('many handshakes at once get past no limit either', async t => {
  const { app, port, connections } = await start({ session: () => new Promise(resolve => setImmediate(resolve, null)), findUser: () => null, limits: { maxConnections: 5 } })
  t.teardown(() => app.close())
  const peers = Array.from({ length: 40 }, () => new Peer(port))
  const statuses = await Promise.all(peers.map(peer => peer.handshake(requestHead())))
  t.equal(statuses.filter(status => status === 101).length, 5)
  t.equal(statuses.filter(status => status === 503).length, 35)
  t.equal(connections(), 5)
  for (const peer of peers) peer.destroy()
})

tap.test('connectionsPerUser: one more takes the place of the oldest, which is told and stays away', async t => {
  const { app, port, connections } = await start({ session: request => request.headers['x-user'] as string ?? null, findUser: id => ({ id }), limits: { connectionsPerUser: 2 } })
  t.teardown(() => app.close())
  const open = (user: string | null) => Peer.open(port, { 'X-User': user, 'Sec-WebSocket-Protocol': 'channels-v1' })
  const first = await open('ana')
  const others = [await open('ana'), await open('ben'), await open(null), await open(null), await open(null)]
  others.push(await open('ana'))
  t.match(await first.nextText(), { type: 'disconnect', reason: 'replaced', reconnect: false })
  t.same(await first.ended(), { code: 4502 })
  await until(() => connections() === 6)
  for (const peer of others) {
    peer.say(free({}))
    t.match(await peer.nextText(), { type: 'confirm_subscription' }, 'the others stay')
    peer.destroy()
  }
})

tap.test('sendQueueHard: whoever asks for answers and reads none is cut off, and nobody else waits for it', async t => {
  const { app, port, connections } = await start({ limits: { commandRate: false } })
  t.teardown(() => app.close())
  const [greedy, other] = [await Peer.open(port), await Peer.open(port)]
  greedy.say(chat)
  await greedy.nextText()
  greedy.socket.pause()
  const large = call('receive', 'x'.repeat(60_000))
  for (let n = 0; connections() > 1; n++) {
    greedy.say(large)
    other.say(free({ n: n % 50 }))
    t.match(await other.nextText(), { type: 'confirm_subscription' })
    if (n > 2000) throw new Error('it was never cut off')
  }
  t.pass('the greedy one is gone')
  other.destroy()
  greedy.destroy()
})

tap.test('maxHeldBroadcasts: a flood of broadcasts before the confirmation rejects the subscribe', async t => {
  let confirm = () => {}
  class HeldChannel extends Channel {
    override async subscribed () {
      this.streamFrom('held')
      await new Promise<void>(resolve => { confirm = resolve })
    }
  }
  for (const limits of [{ maxHeldBroadcasts: 3 }, { maxHeldBytes: 20 }]) {
    const { app, port } = await start({ channels: { HeldChannel, FreeChannel }, limits })
    t.teardown(() => app.close())
    const peer = await Peer.open(port)
    peer.say('{"command":"subscribe","channel":"HeldChannel"}', free({}))
    t.match(await peer.nextText(), { channel: 'FreeChannel' })
    for (let n = 0; n < 4; n++) await app.cable.broadcast('held', 'five5')
    t.same(await peer.nextText(), { type: 'reject_subscription', channel: 'HeldChannel', params: {}, reason: 'overflow' })
    confirm()
    peer.say(free({}))
    t.match(await peer.nextText(), { channel: 'FreeChannel' }, 'and nothing more of it')
    peer.destroy()
  }
})

tap.test('subscribeTimeout and endTimeout: a hook that hangs holds nothing for ever', async t => {
  let aborted = 0
  class HangingChannel extends Channel<{ where: string }> {
    override subscribed () {
      this.signal.addEventListener('abort', () => { aborted++ })
      this.streamFrom('hanging')
      return this.params.where === 'subscribed' ? new Promise(() => {}) : undefined
    }

    override unsubscribed () { return new Promise(() => {}) }
  }
  const { app, port, log, connections } = await start({ channels: { HangingChannel }, limits: { subscribeTimeout: 20, endTimeout: 20 } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  const say = (command: string, where: string) => peer.say(JSON.stringify({ command, channel: 'HangingChannel', params: { where } }))
  say('subscribe', 'subscribed')
  t.same(await peer.nextText(), { type: 'reject_subscription', channel: 'HangingChannel', params: { where: 'subscribed' }, reason: 'timeout' })
  t.equal(aborted, 1)
  say('subscribe', 'unsubscribed')
  t.equal((await peer.nextText()).type, 'confirm_subscription')
  say('unsubscribe', 'unsubscribed')
  say('subscribe', 'unsubscribed')
  t.equal((await peer.nextText()).type, 'confirm_subscription', 'its place is free again')
  peer.destroy()
  await until(() => connections() === 0)
  await app[kConnections].ended()
  t.equal(aborted, 3)
  t.equal(alarms(log).length, 3, 'each is logged once')
})

tap.test('messageTimeout: a message that is begun and never finished ends the line with 1008', async t => {
  const { app, port } = await start({ limits: { messageTimeout: 1 } })
  t.teardown(() => app.close())
  for (const half of [frame('', { declared: 10_000 }).subarray(0, 6), frame('{', { declared: 10_000 }), Buffer.from([0x81]), frame('{', { fin: false })]) {
    const [peer, patient] = [await Peer.open(port), await Peer.open(port)]
    peer.write(half)
    await settle(patient)
    // The heartbeat is what looks: here it beats when the test says so.
    const beat = () => { for (const connection of app[kConnections]) connection.ping(0) }
    while (!peer.isOver && peer.heard.every(({ opcode }) => opcode !== opcodes.close)) {
      beat()
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    t.same(await peer.ended(), { code: 1008 })
    await until(() => patient.heard.length > 0)
    t.notOk(patient.isOver, 'whoever is silent is not in the middle of a message')
    patient.destroy()
  }
})

tap.test('ten thousand bad frames are a handful of lines in the log, and the prototype is clean', async t => {
  const { app, port, log } = await start({ limits: { violations: false, commandRate: false } })
  t.teardown(() => app.close())
  const before = log.length
  const peer = await Peer.open(port)
  const words = ['nonsense\n{"level":60}', '{"__proto__":{"polluted":1}}', '{"command":"subscribe","channel":"\u001b[2J"}', '{"command":"message","channel":"x","action":"\\u001b[2J"}']
  for (let n = 0; n < 100; n++) {
    peer.say(...Array.from({ length: 100 }, (_, i) => words[i % 4]!))
    for (let i = 0; i < 100; i++) await peer.nextText()
  }
  t.ok(log.length - before <= 50, `${log.length - before} lines`)
  t.ok(isPrototypeClean())
  peer.destroy()
})

tap.test('subscribing and leaving two thousand times leaves nothing', async t => {
  ran.clear()
  const { app, port, connections } = await start({ limits: { commandRate: false } })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  for (let n = 0; n < 200; n++) {
    peer.say(...Array.from({ length: 10 }, (_, i) => [free({ i }), leave({ i })]).flat())
    for (let i = 0; i < 10; i++) await peer.nextText()
  }
  await until(() => ran.get('FreeChannel.unsubscribed') === 2000)
  t.equal(ran.get('FreeChannel.subscribed'), 2000)
  t.equal([...app[kConnections]][0]!.subscriptions, 0)
  peer.destroy()
  await until(() => connections() === 0)
})

tap.test('whatever hook throws, now or later, the line is open and each failure is one line', async t => {
  class BadChannel extends ChatChannel {
    static override params = undefined as never
    override subscribed () {}
    override unsubscribed () { throw new Error('now') }
  }
  class WorseChannel extends ChatChannel {
    static override params = undefined as never
    override subscribed () {}
    override async unsubscribed () { await null; throw new Error('later') }
  }
  let find: () => unknown = () => ({ id: 1 })
  const { app, port, log } = await start({ channels: { BadChannel, WorseChannel }, session: () => 1, findUser: () => find() })
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  for (const channel of ['BadChannel', 'WorseChannel']) {
    const before = alarms(log).length
    peer.say(JSON.stringify({ command: 'subscribe', channel }), JSON.stringify({ command: 'unsubscribe', channel }), JSON.stringify({ command: 'subscribe', channel }))
    for (let n = 0; n < 2; n++) t.match(await peer.nextText(), { type: 'confirm_subscription', channel })
    t.equal(alarms(log).length - before, 1)
  }
  for (const fails of [() => { throw new Error('the users are away') }, () => Promise.reject(new Error('the users are away'))]) {
    const before = alarms(log).length
    find = fails
    peer.say('{"command":"message","channel":"BadChannel","action":"typing","id":1}', '{"command":"subscribe","channel":"BadChannel","params":{"n":1}}')
    const answers = [await peer.nextText(), await peer.nextText()].sort((a, b) => a.type < b.type ? -1 : 1)
    t.match(answers, [{ type: 'reject_subscription', reason: 'error' }, { type: 'reply', id: 1, status: 'error', reason: 'error' }])
    t.equal(alarms(log).length - before, 2)
  }
  find = () => ({ id: 1 })
  peer.say('{"command":"message","channel":"BadChannel","action":"typing","id":2}')
  t.same(await peer.nextText(), { type: 'reply', id: 2, status: 'ok', data: null })
  peer.destroy()
})
