// The house without a browser: who gets in, what is kept, who hears it, and what becomes of a request that goes wrong.
import { TURBO_STREAM_MIME } from '@fastify-channels/turbo'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { buildApp } from '../app.ts'
import { maxText } from '../messages.ts'
import { messageView } from '../views/message.ts'
import { app, boat, circle, comeIn, database, form, kitchen, textsOf, turbo } from './fixture.ts'

const long = 'x'.repeat(maxText)

t.test('a name is all it takes, and it is kept in a cookie that nobody else can write', async t => {
  const built = await app(t)
  const answer = await built.inject({ method: 'POST', url: '/hello', ...form({ name: ' Ana ' }) })
  t.match(answer, { statusCode: 303, headers: { location: '/' } })
  const [cookie] = answer.cookies as any[]
  t.match(cookie, { name: 'user', path: '/', httpOnly: true, sameSite: 'Lax', maxAge: 30 * 24 * 60 * 60 })
  t.equal(cookie.secure, undefined)
  t.match(await built.inject({ url: '/', cookies: { user: cookie.value } }), { statusCode: 303, headers: { location: '/rooms/1' } })
  t.match(await built.inject({ url: '/hello', cookies: { user: cookie.value } }), { statusCode: 303, headers: { location: '/' } })
  const page = await built.inject({ url: '/rooms/1', cookies: { user: cookie.value } })
  t.match(page.body, '<span class="me-name">Ana</span>')
  t.match(page.headers, { 'cache-control': 'no-store', 'content-security-policy': /^default-src 'self'; style-src/ })

  const production = await buildApp({ database, isProduction: true })
  t.teardown(() => production.close())
  t.match((await production.inject({ method: 'POST', url: '/hello', ...form({ name: 'Ana' }) })).cookies, [{ secure: true }])
})

t.test('no name, or too much of one, stays outside', async t => {
  const built = await app(t)
  for (const name of ['', ' ', '\0', '<'.repeat(25)]) {
    const answer = await built.inject({ method: 'POST', url: '/hello', ...form({ name }) })
    t.match(answer, { statusCode: 422, cookies: [] })
    t.match(answer.body, 'A name has one to 24 characters.')
  }
  t.match((await built.inject({ method: 'POST', url: '/hello', ...form({ name: '"<'.repeat(13) }) })).body, `value="${'&#34;&#60;'.repeat(13)}"`)
  t.equal((await built.inject({ method: 'POST', url: '/hello', ...form({}) })).statusCode, 400)
})

t.test('whoever is outside sees, says and hears nothing', async t => {
  const built = await app(t)
  const before = await textsOf(kitchen)
  for (const cookies of [{}, { user: '1' }, { user: built.signCookie('999999') }] as Array<{ [name: string]: string }>) {
    for (const url of ['/', '/rooms/1', '/messages/1', '/messages/1/edit']) t.match(await built.inject({ url, cookies }), { statusCode: 303, headers: { location: '/hello' } })
    for (const url of ['/rooms/1/messages', '/messages/1', '/messages/1/delete']) t.match(await built.inject({ method: 'POST', url, cookies, ...form({ text: 'x' }) }), { statusCode: 303, headers: { location: '/hello' } })
  }
  t.strictSame(await textsOf(kitchen), before)
  for (const cookies of [{}, { user: '1' }]) {
    const ws = await connect(built, { cookies })
    t.match(await ws.subscribe('RoomChannel', { room_id: kitchen }), { type: 'reject_subscription' })
    await ws.close()
  }
})

t.test('a page stands where its messages were read: what came since is caught up', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  await built.inject({ method: 'POST', url: `/rooms/${boat}/messages`, cookies, ...form({ text: 'on the page' }) })
  const { body } = await built.inject({ url: `/rooms/${boat}`, cookies })
  t.match(body, /<turbo-stream-channel channel="RoomChannel" params="{&#34;room_id&#34;:3}" since="%7B%22room_3%22%3A%22[\w.-]+%22%2C%22rooms%22%3A%22[\w.-]+%22%7D" gap="refresh"><\/turbo-stream-channel>/)
  t.match(body, 'on the page')
})

t.test('a message is one HTML: in the page, in the answer, in the broadcast', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  const ws = await connect(built, { cookies: await comeIn(built, 'Ben') })
  t.match(await ws.subscribe('RoomChannel', { room_id: circle }), { type: 'confirm_subscription' })
  const answer = await built.inject({ method: 'POST', url: `/rooms/${circle}/messages`, cookies, ...form({ text: ' <b>hello</b>\0 ' }, turbo) })
  t.match(answer, { statusCode: 200, headers: { 'content-type': TURBO_STREAM_MIME } })
  const { rows: [{ id }] } = await database.query<any>('select max(id) as id from messages')
  const page = await built.inject({ url: `/rooms/${circle}`, cookies })
  const [view] = new RegExp(`<turbo-frame[^>]*id="message-${id}">[^]*?</turbo-frame>`).exec(page.body)!
  t.match(view, '&#60;b&#62;hello&#60;/b&#62;')
  const heard = [(await ws.receive() as any).data, (await ws.receive() as any).data].sort()
  t.strictSame(heard.map(stream => /^<turbo-stream[^>]*>/.exec(stream)![0]), ['<turbo-stream action="append" target="messages">', '<turbo-stream action="update" target="last-2">'])
  t.match(heard[0], view)
  t.match(heard[1], '<template>Ana: &#60;b&#62;hello&#60;/b&#62;</template>')
  for (const stream of heard) t.match(answer.body, stream)
  t.match(answer.body, '<turbo-stream action="replace" target="composer">')

  await built.inject({ method: 'POST', url: `/messages/${id}`, cookies, ...form({ text: 'better' }, turbo) })
  t.match([(await ws.receive() as any).data, (await ws.receive() as any).data].sort(), [`<turbo-stream action="replace" target="message-${id}">`, 'Ana: better'])
  await built.inject({ method: 'POST', url: `/messages/${id}/delete`, cookies, ...form({}, turbo) })
  t.match([(await ws.receive() as any).data, (await ws.receive() as any).data].sort(), [`<turbo-stream action="remove" target="message-${id}"></turbo-stream>`, 'Ilse: I would'])
  await ws.close()
})

t.test('without Turbo a form leads back to the room', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  const post = (url: string, fields: { [name: string]: string } = {}) => built.inject({ method: 'POST', url, cookies, ...form(fields, { accept: 'text/html' }) })
  const back = { statusCode: 303, headers: { location: `/rooms/${boat}` } }
  t.match(await post(`/rooms/${boat}/messages`, { text: 'on paper' }), back)
  const { rows: [{ id }] } = await database.query<any>('select max(id) as id from messages')
  t.match((await built.inject({ url: `/messages/${id}`, cookies })).body, 'on paper')
  t.match((await built.inject({ url: `/messages/${id}/edit`, cookies })).body, 'value="on paper"')
  t.match(await post(`/messages/${id}`, { text: 'on better paper' }), back)
  t.equal((await textsOf(boat)).at(-1), 'on better paper')
  t.match(await post(`/messages/${id}/delete`), back)
  t.notMatch(await textsOf(boat), ['on better paper'])
})

t.test('what cannot be said comes back with the reason', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  const before = await textsOf(kitchen)
  for (const [text, reason] of [[' \0 ', 'There is nothing to send yet.'], [`${long}"`, 'at most 1000 characters']] as const) {
    const stream = await built.inject({ method: 'POST', url: '/rooms/1/messages', cookies, ...form({ text }, turbo) })
    t.match(stream, { statusCode: 422, headers: { 'content-type': TURBO_STREAM_MIME } })
    t.match(stream.body, '<turbo-stream action="replace" target="composer">')
    const page = await built.inject({ method: 'POST', url: '/rooms/1/messages', cookies, ...form({ text }) })
    t.match(page, { statusCode: 422, headers: { 'content-type': 'text/html; charset=utf-8' } })
    for (const { body } of [stream, page]) t.match(body, reason)
  }
  t.equal((await built.inject({ method: 'POST', url: '/rooms/1/messages', cookies, ...form({}) })).statusCode, 400)
  t.strictSame(await textsOf(kitchen), before)

  t.equal((await built.inject({ method: 'POST', url: '/rooms/1/messages', cookies, ...form({ text: long }) })).statusCode, 303)
  const { rows: [{ id }] } = await database.query<any>('select max(id) as id from messages')
  const edit = await built.inject({ method: 'POST', url: `/messages/${id}`, cookies, ...form({ text: '' }, turbo) })
  t.match(edit, { statusCode: 422, body: `id="message-${id}"` })
  t.match(edit.body, 'There is nothing to send yet.')
  t.equal((await textsOf(kitchen)).at(-1), long)
})

t.test('what somebody else wrote, or what is not there, cannot be changed', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  const before = await textsOf(kitchen)
  for (const id of [1, 999_999]) {
    t.equal((await built.inject({ url: `/messages/${id}/edit`, cookies })).statusCode, 404)
    for (const url of [`/messages/${id}`, `/messages/${id}/delete`]) t.equal((await built.inject({ method: 'POST', url, cookies, ...form({ text: 'mine' }, turbo) })).statusCode, 404)
  }
  t.strictSame(await textsOf(kitchen), before)
  for (const url of ['/rooms/999999', '/messages/999999', '/nowhere']) {
    const answer = await built.inject({ url, cookies })
    t.equal(answer.statusCode, 404)
    t.match(answer.body, '<meta name="turbo-visit-control" content="reload">', 'a frame that asked for it gives way to the whole page')
  }
  t.equal((await built.inject({ method: 'POST', url: '/rooms/999999/messages', cookies, ...form({ text: 'x' }) })).statusCode, 404)
  t.equal((await built.inject({ url: '/rooms/0', cookies })).statusCode, 400)
  const ws = await connect(built, { cookies })
  t.match(await ws.subscribe('RoomChannel', { room_id: 999_999 }), { type: 'reject_subscription' })
  t.match(await ws.subscribe('RoomChannel', { room_id: '1 or 1=1' }), { type: 'reject_subscription', reason: 'invalid_params' })
  t.match(await ws.subscribe('RoomChannel', { room_id: kitchen }), { type: 'confirm_subscription' })
  await ws.close()
})

t.test('whoever leaves is nobody on the cable too', async t => {
  const built = await app(t)
  const cookies = await comeIn(built, 'Ana')
  const ws = await connect(built, { cookies })
  await ws.subscribe('RoomChannel', { room_id: kitchen })
  t.match(await built.inject({ method: 'POST', url: '/goodbye', cookies }), { statusCode: 303, headers: { location: '/hello' }, cookies: [{ name: 'user', value: '' }] })
  t.ok(await ws.closed)
  t.equal((await built.inject({ method: 'POST', url: '/goodbye' })).statusCode, 303)
})

t.test('an error is a page, and tells nothing', async t => {
  const built = await app(t)
  const broken = await buildApp({ database: { query: async () => { throw new Error('secret') } } as never })
  t.teardown(() => broken.close())
  const answer = await broken.inject({ method: 'POST', url: '/hello', ...form({ name: 'Ana' }) })
  t.equal(answer.statusCode, 500)
  t.match(answer.body, 'It is our fault, not yours.')
  t.notMatch(answer.body, 'secret')
  for (const [url, type] of [['/style.css', 'text/css'], ['/icon.svg', 'image/svg+xml'], ['/turbo.js', 'text/javascript'], ['/cable.js', 'text/javascript'], ['/users/4/own.css', 'text/css']] as const) {
    t.match(await built.inject(url), { statusCode: 200, headers: { 'content-type': new RegExp(`^${type.replace('+', '.')}`) } })
  }
  t.match((await built.inject('/users/4/own.css')).body, '.by-4 { ')
  t.match(String(messageView({ id: 1, roomId: 1, authorId: 4, author: 'Ana', text: 'x', isEdited: true, at: new Date(0) })), 'class="message by-4" id="message-1"')
})
