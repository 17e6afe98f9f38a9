// The chat without a browser: who gets in, what is kept, who hears it, and what becomes of a request that goes wrong.
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { buildApp } from '../app.ts'
import { password } from '../database.ts'
import { maxLength, pageSize } from '../messages.ts'
import { app, database, form, hike, lobby, logIn, surprise, textsOf, withTransactions } from './fixture.ts'
import { enter } from './stranger.ts'

const message = (text: string) => form({ message: text })

t.test('the right name and password open a session, in a cookie that only the server reads', async t => {
  const built = await app(t)
  const answer = await built.inject({ method: 'POST', url: '/login', ...form({ login: ' Ana ', password }) })
  t.match([answer.statusCode, answer.headers.location], [302, '/rooms'])
  const [cookie] = answer.cookies as any[]
  t.match(cookie, { name: 'session', path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 30 * 24 * 60 * 60 })
  t.equal(cookie.secure, undefined)
  t.equal(built.unsignCookie(cookie.value).valid, true)
  t.match((await built.inject({ url: '/rooms', cookies: { session: cookie.value } })).body, 'Hello, ana')
})

t.test('in production the cookie travels over HTTPS only', async t => {
  const built = await buildApp({ database, isProduction: true })
  t.teardown(() => built.close())
  const answer = await built.inject({ method: 'POST', url: '/login', ...form({ login: 'ana', password }) })
  t.match(answer.cookies, [{ name: 'session', secure: true }])
})

t.test('a wrong password and a name nobody has are refused alike', async t => {
  const built = await app(t)
  for (const login of ['ana', 'nobody']) {
    const answer = await built.inject({ method: 'POST', url: '/login', ...form({ login, password: 'guess' }) })
    t.equal(answer.statusCode, 401)
    t.equal(answer.cookies.length, 0)
    t.match(answer.body, 'No one here has this name and password.')
    t.match(answer.body, `value="${login}"`)
  }
  t.equal((await built.inject({ method: 'POST', url: '/login', ...form({ login: 'ana' }) })).statusCode, 400)
})

t.test('who is not logged in, or comes with a cookie of their own making, is led to the login', async t => {
  const built = await app(t)
  for (const cookies of [{}, { session: 'x' }, { session: 'x.y' }, { session: built.signCookie('no session') }] as Array<{ [name: string]: string }>) {
    for (const url of ['/rooms', `/rooms/${lobby}`, `/rooms/${lobby}/messages`]) {
      t.match(await built.inject({ url, cookies }), { statusCode: 302, headers: { location: '/login' } })
    }
    const before = await textsOf(lobby)
    t.match(await built.inject({ method: 'POST', url: `/rooms/${lobby}/messages`, cookies, ...message('hello?') }), { statusCode: 302 })
    t.strictSame(await textsOf(lobby), before)
    const ws = await connect(built, { cookies })
    t.strictSame(await ws.subscribe('ChatChannel', { room_id: lobby }), { type: 'reject_subscription', channel: 'ChatChannel', params: { room_id: lobby } })
    await ws.close()
  }
})

t.test('a session is over after thirty days', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ben')
  const id = built.unsignCookie(cookies.session!).value
  await database.query("update sessions set started_at = now() - interval '31 days' where id = $1", [id])
  t.match(await built.inject({ url: '/rooms', cookies }), { statusCode: 302, headers: { location: '/login' } })
})

t.test('logging out ends the session and its sockets, and no other', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ana')
  const ws = await connect(built, { cookies })
  const elsewhere = await connect(built, { cookies: await logIn(built, 'ana') })
  for (const each of [ws, elsewhere]) await each.subscribe('ChatChannel', { room_id: lobby })
  const answer = await built.inject({ method: 'POST', url: '/logout', cookies })
  t.match(answer, { statusCode: 302, headers: { location: '/login' } })
  t.match(answer.cookies, [{ name: 'session', value: '' }])
  t.match(await ws.closed, { code: 4500 })
  t.match(await elsewhere.perform('ChatChannel', 'typing', {}, { room_id: lobby }), { status: 'ok' }, 'another device goes on')
  await elsewhere.close()
  // The old cookie, had somebody kept it, is worth nothing.
  t.match(await built.inject({ url: '/rooms', cookies }), { statusCode: 302, headers: { location: '/login' } })
  const again = await connect(built, { cookies })
  t.match(await again.subscribe('ChatChannel', { room_id: lobby }), { type: 'reject_subscription' })
  await again.close()
})

t.test('a room is open to its members and to nobody else', async t => {
  const built = await app(t)
  const [ana, cleo] = [await logIn(built, 'ana'), await logIn(built, 'cleo')]
  t.match(await built.inject({ url: `/rooms/${surprise}`, cookies: ana }), { statusCode: 200, body: 'A surprise for Cleo' })
  const before = await textsOf(surprise)
  for (const refused of [
    await built.inject({ url: `/rooms/${surprise}`, cookies: cleo }),
    await built.inject({ url: `/rooms/${surprise}/messages`, cookies: cleo }),
    await built.inject({ method: 'POST', url: `/rooms/${surprise}/messages`, cookies: cleo, ...message('I know') })
  ]) {
    t.match(refused, { statusCode: 403, body: 'This room is private' })
    t.notMatch(refused.body, /surprise|boathouse/i)
  }
  t.strictSame(await textsOf(surprise), before)
  t.notMatch((await built.inject({ url: '/rooms', cookies: cleo })).body, 'surprise')
  t.match(await built.inject({ url: '/rooms/99', cookies: cleo }), { statusCode: 404 })
  t.match(await built.inject({ url: '/rooms/99999999999', cookies: cleo }), { statusCode: 400 })
})

t.test('who is rejected hears nothing of the room', async t => {
  const built = await app(t)
  const cleo = await connect(built, { cookies: await logIn(built, 'cleo') })
  t.strictSame(await cleo.subscribe('ChatChannel', { room_id: surprise }), { type: 'reject_subscription', channel: 'ChatChannel', params: { room_id: surprise } })
  t.match(await cleo.subscribe('ChatChannel', { room_id: '1; drop table users' }), { type: 'reject_subscription', reason: 'invalid_params' })
  t.match(await cleo.subscribe('ChatChannel', { room_id: lobby }), { type: 'confirm_subscription' })
  const ana = await logIn(built, 'ana')
  await built.inject({ method: 'POST', url: `/rooms/${surprise}/messages`, cookies: ana, ...message('Cleo is not here, is she?') })
  await built.inject({ method: 'POST', url: `/rooms/${lobby}/messages`, cookies: ana, ...message('Hello, Cleo!') })
  t.match(await cleo.receive(), { params: { room_id: lobby }, data: { message: 'Hello, Cleo!' } })
  await cleo.close()
})

t.test('a posted message is kept, shown on the page it leads to, and heard in the room', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ana')
  const ben = await connect(built, { cookies: await logIn(built, 'ben') })
  await ben.subscribe('ChatChannel', { room_id: hike })
  const answer = await built.inject({ method: 'POST', url: `/rooms/${hike}/messages`, cookies, ...message('  Who has\r\nthe tickets?\n') })
  t.match(answer, { statusCode: 303, headers: { location: `/rooms/${hike}` } })
  t.equal((await textsOf(hike)).at(-1), 'Who has\nthe tickets?')
  t.match(await ben.receive(), { type: 'message', data: { sender: 'ana', message: 'Who has\nthe tickets?', id: Number, at: /^\d{4}-.*Z$/ } })
  t.match((await built.inject({ url: `/rooms/${hike}`, cookies })).body, 'Who has\nthe tickets?')
  t.match((await built.inject({ url: '/rooms', cookies })).body, /Weekend hike[^]*Lobby/)
  await ben.close()
})

t.test('a spoken message is kept, answered with its id, and heard by everybody', async t => {
  const built = await app(t)
  const ana = await connect(built, { cookies: await logIn(built, 'ana') })
  const ben = await connect(built, { cookies: await logIn(built, 'ben') })
  for (const ws of [ana, ben]) await ws.subscribe('ChatChannel', { room_id: lobby })
  const reply: any = await ana.perform('ChatChannel', 'speak', { message: 'spoken' }, { room_id: lobby })
  t.match(reply, { status: 'ok', data: { id: Number } })
  t.equal((await textsOf(lobby)).at(-1), 'spoken')
  for (const ws of [ana, ben]) t.match(await ws.receive(), { data: { id: reply.data.id, sender: 'ana', message: 'spoken' } })
  await ben.perform('ChatChannel', 'typing', {}, { room_id: lobby })
  t.strictSame((await ana.receive() as any).data, { typing: 'ben' })
  for (const ws of [ana, ben]) await ws.close()
})

t.test('empty and over-long messages are refused, and the draft is given back', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ben')
  const ws = await connect(built, { cookies })
  await ws.subscribe('ChatChannel', { room_id: lobby })
  const before = (await textsOf(lobby)).length
  const long = '🏔️'.repeat(maxLength / 2) + '!'
  for (const [text, reason, words] of [[' \n ', 'empty', 'There is nothing to send yet.'], [long, 'too_long', 'at most 2,000 characters']] as const) {
    const answer = await built.inject({ method: 'POST', url: `/rooms/${lobby}/messages`, cookies, ...message(text) })
    t.match(answer, { statusCode: 422, body: words })
    t.match(answer.body, `>${text.trim()}</textarea>`)
    t.match(await ws.perform('ChatChannel', 'speak', { message: text }, { room_id: lobby }), { status: 'error', reason, data: { max: maxLength } })
  }
  for (const data of [{}, { message: { $ne: '' } }, { message: null }]) {
    t.match(await ws.perform('ChatChannel', 'speak', data as any, { room_id: lobby }), { status: 'error', reason: 'invalid_data' })
  }
  t.equal((await textsOf(lobby)).length, before)
  t.match(await ws.perform('ChatChannel', 'speak', { message: long.slice(0, -1) }, { room_id: lobby }), { status: 'ok' })
  t.match(await ws.receive(), { data: { message: long.slice(0, -1) } }, 'and nobody heard the others')
  await ws.close()
})

t.test('markup in a message, a draft or a name is text', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ana')
  const markup = '</textarea><script>alert("&amp;")</script><img src=x onerror=\'alert(1)\'>'
  await built.inject({ method: 'POST', url: `/rooms/${hike}/messages`, cookies, ...message(markup) })
  const pages = [
    await built.inject({ url: `/rooms/${hike}`, cookies }),
    await built.inject({ method: 'POST', url: `/rooms/${hike}/messages`, cookies, ...message(markup + '.'.repeat(maxLength)) }),
    await built.inject({ method: 'POST', url: '/login', ...form({ login: markup, password: markup }) })
  ]
  for (const { body, headers } of pages) {
    t.match(body, '&#60;script&#62;alert(&#34;&#38;amp;&#34;)&#60;/script&#62;')
    t.notMatch(body, '<script>alert')
    t.notMatch(body, '<img src=x')
    t.match(headers['content-security-policy'], "default-src 'self'")
  }
})

t.test('a page that was away asks for what it missed, and is told when that is not all', async t => {
  const built = await app(t)
  const cookies = await logIn(built, 'ana')
  const { rows: [last] } = await database.query<{ max: number }>('select max(id) from messages')
  const missed = async () => (await built.inject({ url: `/rooms/${surprise}/messages?after=${last!.max}`, cookies })).json()
  await built.inject({ method: 'POST', url: `/rooms/${surprise}/messages`, cookies, ...message('one') })
  t.match(await missed(), { messages: [{ message: 'one', sender: 'ana' }], isComplete: true })
  t.equal((await missed()).messages.length, 1)
  await database.query('insert into messages (room_id, author_id, text) select $1, 1, number from generate_series(1, $2) number', [surprise, pageSize])
  const { messages, isComplete } = await missed()
  t.equal(isComplete, false)
  t.match([messages.length, messages.at(0).message, messages.at(-1).message], [pageSize, '1', String(pageSize)])
})

t.test('a POST whose client goes away in the middle still reaches the room', async t => {
  let began!: () => void
  let goOn!: () => void
  const hasBegun = new Promise<void>(resolve => { began = resolve })
  const mayGoOn = new Promise<void>(resolve => { goOn = resolve })
  const built = await app(t, withTransactions(async work => {
    began()
    await mayGoOn
    return await work()
  }))
  await built.listen({ port: 0 })
  const cookies = await logIn(built, 'ana')
  const ben = await connect(built, { cookies: await logIn(built, 'ben') })
  await ben.subscribe('ChatChannel', { room_id: lobby })

  const gone = new Promise<void>(resolve => built.server.once('connection', socket => socket.once('close', () => resolve())))
  const { payload, headers } = message('said on the way out')
  const post = request({ port: (built.server.address() as AddressInfo).port, method: 'POST', path: `/rooms/${lobby}/messages`, headers: { ...headers, cookie: `session=${encodeURIComponent(cookies.session!)}` } })
  post.on('error', () => {})
  post.end(payload)
  await hasBegun
  post.destroy()
  await gone
  goOn()
  t.match(await ben.receive(), { data: { sender: 'ana', message: 'said on the way out' } })
  t.equal((await textsOf(lobby)).at(-1), 'said on the way out')
  await ben.close()
})

t.test('a POST whose transaction fails at the end is neither kept nor heard', async t => {
  let isBroken = true
  const built = await app(t, withTransactions(async work => {
    const result = await work()
    if (isBroken) throw new Error('the disk is full')
    return result
  }))
  const cookies = await logIn(built, 'ana')
  const ben = await connect(built, { cookies: await logIn(built, 'ben') })
  await ben.subscribe('ChatChannel', { room_id: lobby })
  const before = await textsOf(lobby)
  const answer = await built.inject({ method: 'POST', url: `/rooms/${lobby}/messages`, cookies, ...message('never happened') })
  t.match(answer, { statusCode: 500, body: 'Nothing was saved' })
  t.notMatch(answer.body, 'the disk is full')
  t.strictSame(await textsOf(lobby), before)
  t.match(await ben.perform('ChatChannel', 'speak', { message: 'neither did this' }, { room_id: lobby }), { status: 'error', reason: 'error' })
  isBroken = false
  await built.inject({ method: 'POST', url: `/rooms/${lobby}/messages`, cookies, ...message('the next thing said') })
  t.match(await ben.receive(), { data: { message: 'the next thing said' } })
  await ben.close()
})

t.test('nobody learns a password from the database', async t => {
  const { rows } = await database.query<{ password: string }>('select password from users')
  t.equal(new Set(rows.map(row => row.password)).size, 3)
  t.notMatch(JSON.stringify(rows), password)
})

t.test('a client that knows nothing but the frames of the guide has the whole chat', async t => {
  const built = await app(t)
  const server = await built.listen({ port: 0 })
  const ana = await enter(server, 'ana', password, surprise)
  const ben = await enter(server, 'ben', password, surprise)
  const cleo = await enter(server, 'cleo', password, surprise)
  const room = { channel: 'ChatChannel', params: { room_id: surprise } }
  t.strictSame(ana.answer, { type: 'confirm_subscription', ...room })
  t.strictSame(ben.answer, { type: 'confirm_subscription', ...room })
  t.strictSame(cleo.answer, { type: 'reject_subscription', ...room })
  ana.speak('She suspects nothing.')
  for (const { hear } of [ana, ben]) t.match(await hear(), { type: 'message', ...room, data: { sender: 'ana', message: 'She suspects nothing.' } })
  ben.speak('')
  ben.speak('Nor will she.')
  t.match(await ana.hear(), { type: 'message', ...room, data: { sender: 'ben', message: 'Nor will she.' } })
  await Promise.all([ana, ben, cleo].map(({ leave }) => leave()))
  t.equal((await textsOf(surprise)).at(-1), 'Nor will she.')
})
