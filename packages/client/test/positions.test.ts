import t from 'tap'
import { CableError } from '../src/index.ts'
import { Cursor } from '../src/cursor.ts'
import { ear, first, setting } from './setting.ts'
import type { Ear } from './setting.ts'
import type { Peer } from './scripted-server.ts'
import { vectors } from './vectors.ts'

const chat = { channel: 'A', params: {} }
const gap = { reconnected: false, recovered: false, gap: true }

/** A broadcast whose data is its own position. */
function at (position: string, more: object = {}): object {
  return { type: 'broadcast', stream: 's', at: position, data: position, ...more }
}

async function received ({ next }: Ear, ...positions: string[]): Promise<void> {
  for (const position of positions) t.same(await next(), ['received', position])
}

/** One subscription of a stream, confirmed at e.5. */
async function confirmed (test: Parameters<typeof setting>[0]): Promise<{ one: Ear, peer: Peer } & Awaited<ReturnType<typeof setting>>> {
  const { server, cable } = await setting(test)
  const one = ear()
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  await peer.accept({ streams: { s: 'e.5' } })
  t.same(await one.next(), ['connected', first])
  return { server, cable, one, peer }
}

t.test('after a reconnect a listener says where it stands, and what it missed comes before it is connected', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.say(at('e.6'))
  await received(one, 'e.6')
  peer.restart()
  t.match(await one.next(), ['disconnected', { willReconnect: true }])
  const again = await server.peer()
  const { ref, positions } = await again.next()
  t.same(positions, { s: 'e.6' })
  again.say(at('e.7', { ref }), at('e.8', { ref }))
  again.confirm({ ...chat, ref }, { streams: { s: 'e.8' }, recovered: true })
  again.say(at('e.9'))
  await received(one, 'e.7', 'e.8')
  t.same(await one.next(), ['connected', { reconnected: true, recovered: true, gap: false }])
  await received(one, 'e.9')
})

t.test('who missed nothing is told so', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.restart()
  await one.next()
  await (await server.peer()).accept({ streams: { s: 'e.5' }, recovered: true })
  t.same(await one.next(), ['connected', { reconnected: true, recovered: true, gap: false }])
})

t.test('what cannot be sent again is a gap, told once', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.restart()
  await one.next()
  const again = await server.peer()
  await again.accept({ streams: { s: 'e.90' }, recovered: false })
  t.same(await one.next(), ['connected', { reconnected: true, recovered: false, gap: true }])
  again.say(at('e.91'))
  await received(one, 'e.91')
  t.same(await again.rest(), [])
})

t.test('a server that claims to have sent everything, and did not, does not hide the gap', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.restart()
  await one.next()
  const again = await server.peer()
  await again.accept({ streams: { s: 'e.9' }, recovered: true })
  t.same(await one.next(), ['connected', { reconnected: true, recovered: false, gap: true }])
  again.restart()
  await one.next()
  const third = await server.peer()
  const { ref, positions } = await third.next()
  t.same(positions, { s: 'e.9' })
  third.say(at('e.10', { ref }), at('e.12', { ref }))
  third.confirm({ ...chat, ref }, { streams: { s: 'e.12' }, recovered: true })
  await received(one, 'e.10')
  t.same(await one.next(), ['connected', { reconnected: true, recovered: false, gap: true }], 'nor does a replay with a hole')
})

t.test('another epoch, and an offset that went back, are gaps', async t => {
  const { server, one, peer } = await confirmed(t)
  let last = peer
  for (const [position, next] of [['f.5', 'f.6'], ['f.2', 'f.3'], ['e.1', 'e.2']] as const) {
    last.restart()
    await one.next()
    last = await server.peer()
    await last.accept({ streams: { s: position }, recovered: false })
    t.same(await one.next(), ['connected', { reconnected: true, recovered: false, gap: true }], position)
    last.say(at(next))
    await received(one, next)
  }
})

t.test('a stream without positions asks nothing and promises nothing', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  t.notOk('positions' in await peer.accept({ streams: { s: null } }))
  t.same(await one.next(), ['connected', first])
  peer.say({ type: 'broadcast', stream: 's', data: 1 }, { type: 'broadcast', stream: 's', at: null, data: 2 })
  t.same([await one.next(), await one.next()], [['received', 1], ['received', 2]])
  peer.restart()
  await one.next()
  const again = await server.peer()
  t.notOk('positions' in await again.accept({ streams: { s: null } }))
  t.same(await one.next(), ['connected', { ...first, reconnected: true }])
  again.say(at('e.3'))
  await received(one, 'e.3')
  again.restart()
  await one.next()
  const third = await server.peer()
  t.same((await third.accept({ streams: { s: null }, recovered: false })).positions, { s: 'e.3' }, 'history was switched on, and off again')
  t.same(await one.next(), ['connected', { reconnected: true, recovered: false, gap: true }])
})

t.test('since begins where the page was rendered', async t => {
  const text = vectors.since.find(({ name }) => name === 'two streams')!
  for (const since of [text.text, text.positions!, { ...text.positions, unknown: null }]) {
    const { server, cable } = await setting(t)
    const one = ear()
    cable.subscribe('A', {}, one.callbacks, { since })
    const peer = await server.peer()
    const { ref, positions } = await peer.next()
    t.same(positions, text.positions)
    peer.say({ ...at('k3f9.18', { ref }), stream: 'chat_1' })
    peer.confirm({ ...chat, ref }, { streams: { chat_1: 'k3f9.18', inbox_7: 'p-_9.0' }, recovered: true })
    await received(one, 'k3f9.18')
    t.same(await one.next(), ['connected', { ...first, recovered: true }])
  }
})

t.test('a since that is none is as good as none', async t => {
  const bad = vectors.since.filter(({ positions }) => positions === null).map(({ text }) => text)
  t.ok(bad.length > 5)
  const { server, cable } = await setting(t)
  const sinces = [...bad, null, undefined]
  sinces.forEach((since, n) => cable.subscribe('A', { n }, {}, { since }))
  const peer = await server.peer()
  for (const since of sinces) t.notOk('positions' in await peer.next(), String(since))
})

t.test('the positions of a subscription are a since for the next one', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  const before = cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  await peer.accept({ streams: { s: 'e.5', n: null } })
  await one.next()
  peer.say(at('e.6'))
  await received(one, 'e.6')
  t.same(before.positions, { s: 'e.6', n: null })
  before.unsubscribe()
  await peer.next()
  cable.subscribe('A', {}, one.callbacks, { since: before.positions })
  t.same((await peer.next()).positions, { s: 'e.6' })
})

t.test('a broadcast that leaves some out waits until they have come', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('e.6'), at('e.8'), at('e.9'))
  await received(one, 'e.6')
  const { ref, positions, command } = await peer.next()
  t.same([command, positions], ['subscribe', { s: 'e.6' }])
  t.same(await peer.rest(), [], 'asked once')
  t.same(one.rest, [])
  peer.say(at('e.7', { ref }), at('e.8', { ref }))
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.8' }, recovered: true })
  peer.say(at('e.10'))
  await received(one, 'e.7', 'e.8', 'e.9', 'e.10')
  t.same(await peer.rest(), [])
})

t.test('a hole that cannot be filled is told once, and then it goes on', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('e.8'))
  const { ref } = await peer.next()
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.8' }, recovered: false })
  peer.say(at('e.9'))
  t.same(await one.next(), ['connected', gap], 'all or nothing: what came behind the hole is dropped')
  await received(one, 'e.9')
  t.same(await peer.rest(), [])
})

t.test('a hole that is open when the connection goes is closed by the next one', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.say(at('e.7'), at('e.8'))
  await peer.next()
  peer.restart()
  t.match(await one.next(), ['disconnected', {}])
  const again = await server.peer()
  const { ref, positions } = await again.next()
  t.same(positions, { s: 'e.5' })
  again.say(at('e.6', { ref }), at('e.7', { ref }), at('e.8', { ref }), at('e.9', { ref }))
  again.confirm({ ...chat, ref }, { streams: { s: 'e.9' }, recovered: true })
  await received(one, 'e.6', 'e.7', 'e.8', 'e.9')
  t.same(await one.next(), ['connected', { reconnected: true, recovered: true, gap: false }])
})

t.test('an answer that never comes does not silence the stream', async t => {
  const { one, peer } = await confirmed(t)
  for (let offset = 7; offset <= 1006; offset++) peer.say(at(`e.${offset}`))
  await peer.next()
  t.same(await peer.rest(), [])
  t.same(one.rest, [])
  peer.say(at('e.1007'))
  t.same(await one.next(), ['connected', gap])
  peer.say(at('e.1008'))
  await received(one, 'e.1008')
})

t.test('what comes twice is heard once', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('e.4'), at('e.5'), at('e.6'), at('e.6'), at('e.5'), at('e.7'))
  await received(one, 'e.6', 'e.7')
  t.same(await peer.rest(), [])
})

t.test('a stream that begins anew unannounced is asked for', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('f.1'))
  const { ref, positions } = await peer.next()
  t.same(positions, { s: 'e.5' })
  peer.confirm({ ...chat, ref }, { streams: { s: 'f.1' }, recovered: false })
  peer.say(at('f.2'))
  t.same(await one.next(), ['connected', gap])
  await received(one, 'f.2')
})

t.test('a broadcast one was left out of only moves on', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('e.6', { data: undefined }), at('e.7', { data: null }), at('e.8'))
  t.same(await one.next(), ['received', null])
  await received(one, 'e.8')
  t.same(await peer.rest(), [])
})

t.test('two listeners who stand in different places each hear what they lack', async t => {
  const { cable, one, peer } = await confirmed(t)
  const other = ear()
  cable.subscribe('A', {}, other.callbacks, { since: { s: 'e.3' } })
  const { ref, positions } = await peer.next()
  t.same(positions, { s: 'e.3' })
  peer.say(at('e.6'), at('e.4', { ref }), at('e.5', { ref }), at('e.6', { ref }))
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.6' }, recovered: true })
  peer.say(at('e.7'))
  await received(other, 'e.4', 'e.5', 'e.6')
  t.same(await other.next(), ['connected', { ...first, recovered: true }])
  await received(other, 'e.7')
  await received(one, 'e.6', 'e.7')
})

t.test('only the one who lost something is told', async t => {
  const { cable, one, peer } = await confirmed(t)
  const other = ear()
  cable.subscribe('A', {}, other.callbacks, { since: { s: 'e.3' } })
  const { ref } = await peer.next()
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.5' }, recovered: false })
  t.same(await other.next(), ['connected', { ...first, recovered: false, gap: true }])
  peer.say(at('e.6'))
  await received(one, 'e.6')
  await received(other, 'e.6')
})

t.test('who never stood in a stream does not hear what is sent again for another', async t => {
  const { server, cable, one, peer } = await confirmed(t)
  peer.restart()
  await one.next()
  const other = ear()
  cable.subscribe('A', other.callbacks)
  const again = await server.peer()
  const { ref } = await again.next()
  again.say(at('e.6', { ref }))
  again.confirm({ ...chat, ref }, { streams: { s: 'e.6' }, recovered: true })
  again.say(at('e.7'))
  await received(one, 'e.6')
  t.same(await other.next(), ['connected', first])
  await received(other, 'e.7')
})

t.test('one that joins while an answer is arriving gets one of its own', async t => {
  const { server, cable } = await setting(t)
  const [one, other] = [ear(), ear()]
  cable.subscribe('A', {}, one.callbacks, { since: { s: 'e.3' } })
  const peer = await server.peer()
  const { ref } = await peer.next()
  peer.say(at('e.4', { ref }))
  await received(one, 'e.4')
  cable.subscribe('A', {}, other.callbacks, { since: { s: 'e.3' } })
  const second = await peer.next()
  t.same(second.positions, { s: 'e.3' })
  peer.say(at('e.5', { ref }))
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.5' }, recovered: true })
  peer.say(at('e.4', { ref: second.ref }), at('e.5', { ref: second.ref }))
  peer.confirm({ ...chat, ref: second.ref }, { streams: { s: 'e.5' }, recovered: true })
  await received(other, 'e.4', 'e.5')
  await received(one, 'e.5')
  t.same(await one.next(), ['connected', { ...first, recovered: true }])
  t.same(await other.next(), ['connected', { ...first, recovered: true }])
})

t.test('a page newer than the connection waits for the connection', async t => {
  const { cable, one, peer } = await confirmed(t)
  const other = ear()
  cable.subscribe('A', {}, other.callbacks, { since: { s: 'e.7' } })
  t.same(await other.next(), ['connected', first])
  peer.say(at('e.6'), at('e.7'), at('e.8'))
  await received(one, 'e.6', 'e.7', 'e.8')
  await received(other, 'e.8')
  t.same(await peer.rest(), [])
})

t.test('a long backlog may follow the confirmation: those ahead are not bothered', async t => {
  const { cable, one, peer } = await confirmed(t)
  const [other, elsewhere, late] = [ear(), ear(), ear()]
  cable.subscribe('B', elsewhere.callbacks)
  await peer.accept({ streams: { s: 'e.5' } })
  await elsewhere.next()
  cable.subscribe('A', {}, other.callbacks, { since: { s: 'e.1' } })
  const { ref } = await peer.next()
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.1' }, recovered: true })
  t.same(await other.next(), ['connected', { ...first, recovered: true }])
  peer.say(at('e.2'), at('e.3'))
  await received(other, 'e.2', 'e.3')
  cable.subscribe('B', late.callbacks)
  t.same(await late.next(), ['connected', first])
  peer.say(at('e.4'), at('e.5'), at('e.6'))
  await received(other, 'e.4', 'e.5', 'e.6')
  for (const ear of [one, elsewhere, late]) await received(ear, 'e.6')
  t.same(await peer.rest(), [])
})

t.test('two subscriptions of one stream hear each broadcast once, and a replay alone', async t => {
  const { cable, one, peer } = await confirmed(t)
  const other = ear()
  cable.subscribe('B', {}, other.callbacks, { since: { s: 'e.4' } })
  const { ref } = await peer.next()
  peer.say(at('e.5', { ref }))
  peer.confirm({ channel: 'B', params: {}, ref }, { streams: { s: 'e.5' }, recovered: true })
  peer.say(at('e.6'))
  await received(one, 'e.6')
  await received(other, 'e.5')
  t.same(await other.next(), ['connected', { ...first, recovered: true }])
  await received(other, 'e.6')
})

t.test('the streams of a subscription may change: new ones are heard from where they are, old ones not any more', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.say({ type: 'streams', ...chat, streams: { new: 'n.7' } }, at('e.6'), { ...at('n.8'), stream: 'new' })
  await received(one, 'n.8')
  peer.say({ type: 'streams', ...chat, streams: { new: 'n.8', s: 'e.9' } }, at('e.10'))
  await received(one, 'e.10')
  t.same(await peer.rest(), [], 'what went by while it did not listen was not missed')
  peer.restart()
  await one.next()
  t.same((await (await server.peer()).next()).positions, { new: 'n.8', s: 'e.10' })
})

t.test('a listener left behind by a change of streams asks for what it lacks', async t => {
  const { one, peer } = await confirmed(t)
  peer.say({ type: 'streams', ...chat, streams: { s: 'e.7' } })
  const { ref, positions } = await peer.next()
  t.same(positions, { s: 'e.5' })
  peer.say(at('e.6', { ref }), at('e.7', { ref }))
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.7' }, recovered: true })
  await received(one, 'e.6', 'e.7')
})

t.test('a change of streams before the confirmation says nothing', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  const command = await peer.next()
  peer.say({ type: 'streams', ...chat, streams: { s: 'e.7' } }, at('e.8'))
  peer.confirm(command, { streams: { s: 'e.8' } })
  peer.say(at('e.9'))
  t.same(await one.next(), ['connected', first])
  await received(one, 'e.9')
})

t.test('a gap is told to each who lost something, once', async t => {
  const { cable, one, peer } = await confirmed(t)
  const [other, elsewhere, deaf] = [ear(), ear(), ear()]
  cable.subscribe('A', other.callbacks)
  await other.next()
  cable.subscribe('B', elsewhere.callbacks)
  cable.subscribe('C', deaf.callbacks)
  await peer.accept({ streams: { s: 'e.25' } })
  await peer.accept({ streams: { t: 'e.1' } })
  await elsewhere.next()
  await deaf.next()
  peer.say({ type: 'gap', stream: 's', at: 'e.25' }, at('e.26'))
  for (const ear of [one, other]) {
    t.same(await ear.next(), ['connected', gap])
    await received(ear, 'e.26')
  }
  await received(elsewhere, 'e.26')
  t.same(await peer.rest(), [])
  t.same(deaf.rest, [])
})

t.test('a gap goes on from where it says, back too, and may say nothing', async t => {
  const { server, one, peer } = await confirmed(t)
  peer.say({ type: 'gap', stream: 's', at: 'e.2' }, at('e.3'))
  t.same(await one.next(), ['connected', gap])
  await received(one, 'e.3')
  peer.say({ type: 'gap', stream: 's' })
  t.same(await one.next(), ['connected', gap])
  peer.say({ type: 'gap', stream: 's', at: null }, at('x.9'))
  await received(one, 'x.9')
  peer.restart()
  await one.next()
  t.same((await (await server.peer()).next()).positions, { s: 'x.9' })
})

t.test('a gap while an answer is under way is not told again by that answer', async t => {
  const { one, peer } = await confirmed(t)
  peer.say(at('e.8'), at('e.9'))
  const { ref } = await peer.next()
  peer.say({ type: 'gap', stream: 's', at: 'e.20' }, at('e.21'))
  t.same(await one.next(), ['connected', gap])
  await received(one, 'e.21')
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.21' }, recovered: false })
  peer.say(at('e.22'))
  await received(one, 'e.22')
})

t.test('a revoked subscription is over, for all who listen', async t => {
  const { cable, one, peer } = await confirmed(t)
  const [other, elsewhere, again] = [ear(), ear(), ear()]
  const b = cable.subscribe('A', other.callbacks)
  await other.next()
  cable.subscribe('B', elsewhere.callbacks)
  await peer.accept({ streams: { s: 'e.5' } })
  await elsewhere.next()
  const answered = b.perform('x')
  const { id } = await peer.next()
  peer.say(at('e.7'))
  await peer.next()
  await peer.next()
  peer.say({ type: 'reject_subscription', ...chat, reason: 'revoked' }, { type: 'message', ...chat, data: 1 }, at('e.6'))
  t.same(await one.next(), ['rejected', { reason: 'revoked' }])
  t.same(await other.next(), ['rejected', { reason: 'revoked' }])
  t.equal(b.state, 'rejected')
  await received(elsewhere, 'e.6')
  await t.rejects(b.perform('x'), new CableError('rejected'))
  peer.say({ type: 'reply', id, status: 'ok', data: 'done before' })
  t.equal(await answered, 'done before')
  t.same(await peer.rest(), [])
  t.same([one.rest, other.rest], [[], []])
  cable.subscribe('A', again.callbacks)
  const { ref, positions } = await peer.next()
  t.equal(positions, undefined)
  peer.say(at('e.8'))
  peer.confirm({ ...chat, ref }, { streams: { s: 'e.8' } })
  t.same(await again.next(), ['connected', first], 'and hears nothing before')
})

t.test('a revocation does not reach what is not confirmed', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  cable.subscribe('A', one.callbacks)
  const peer = await server.peer()
  const command = await peer.next()
  peer.say({ type: 'reject_subscription', ...chat, reason: 'revoked' })
  peer.confirm(command)
  t.same(await one.next(), ['connected', first])
})

t.test('no more than a hundred positions are sent: what is left out is a gap, not a refusal', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  const streams = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`s${n}`, 'e.5']))
  cable.subscribe('A', {}, one.callbacks, { since: streams })
  const peer = await server.peer()
  const { ref, positions } = await peer.next()
  t.equal(Object.keys(positions).length, 100)
  peer.confirm({ ...chat, ref }, { streams: { ...streams, s100: 'e.6' }, recovered: true })
  t.same(await one.next(), ['connected', { ...first, recovered: false, gap: true }])
})

t.test('streams named like members of an object are streams', async t => {
  const { server, cable } = await setting(t)
  const one = ear()
  const names = ['__proto__', 'constructor', 'toString', '']
  const since = JSON.parse(`{${names.map(name => `${JSON.stringify(name)}:"e.1"`)}}`)
  cable.subscribe('A', {}, one.callbacks, { since })
  const peer = await server.peer()
  const { ref, positions } = await peer.next()
  t.same(Object.entries(positions), names.map(name => [name, 'e.1']))
  peer.confirm({ ...chat, ref }, { streams: since, recovered: true })
  await one.next()
  for (const stream of names) {
    peer.say({ type: 'broadcast', stream, at: 'e.2', data: stream })
    t.same(await one.next(), ['received', stream])
  }
})

t.test('a cursor never hands on what its listener already has', async t => {
  const heard: unknown[] = []
  const cursor = new Cursor({ s: 'e.1' }, data => heard.push(data))
  t.equal(cursor.hear({ type: 'broadcast', stream: 's', at: 'e.3', data: 3 }), 1)
  t.equal(cursor.hear({ type: 'broadcast', stream: 's', at: 'e.4', data: 4 }), 2)
  t.equal(cursor.hear({ type: 'broadcast', stream: 's', at: 'e.2', data: 2 }), 0)
  t.equal(cursor.settle(new Map([['s', 'e.4']]), true), true)
  t.same(heard, [2, 3, 4])
})
