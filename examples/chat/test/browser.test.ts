// The chat as people have it: two browsers, what is typed in one appears in the other, whatever happens to the line between them.
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Cable, enterRoom, person, say, sees, shown, state } from './browser.ts'
import { form, hike, listening, lobby, logIn, surprise, textsOf } from './fixture.ts'

/** Says something over HTTP, without any browser. */
async function post (built: FastifyInstance, login: string, room: number, message: string): Promise<void> {
  await built.inject({ method: 'POST', url: `/rooms/${room}/messages`, cookies: await logIn(built, login), ...form({ message }) })
}

t.test('what one types, the other reads', async t => {
  const { url } = await listening(t)
  const [ana, ben] = [await person(t, url, 'ana'), await person(t, url, 'ben')]
  await ana.getByRole('link', { name: 'Lobby' }).click()
  await state(ana, 'online')
  await enterRoom(ben, lobby)
  await say(ana, 'Is anybody there?')
  await Promise.all([ana, ben].map(page => sees(page, 'Is anybody there?')))
  await say(ben, 'Always.\nWell, nearly.')
  await sees(ana, 'Always.\nWell, nearly.')
  for (const page of [ana, ben]) t.strictSame((await shown(page)).slice(-2), ['Is anybody there?', 'Always.\nWell, nearly.'])
  const [mine, other] = [ana.locator('.message').nth(-2), ana.locator('.message').nth(-1)]
  t.match(await mine.getAttribute('class'), 'mine')
  t.notMatch(await other.getAttribute('class'), 'mine')
  t.match(await other.locator('.byline').innerText(), /^ben \d/)
  t.equal(await ben.getByRole('textbox').inputValue(), '', 'what was sent is not a draft any more')
  // A page that is loaded anew shows the same, once.
  await ben.reload()
  await state(ben, 'online')
  t.strictSame((await shown(ben)).slice(-2), ['Is anybody there?', 'Always.\nWell, nearly.'])
})

t.test('the other one sees that somebody is typing, until they have said it', async t => {
  const { url } = await listening(t)
  const [ana, ben] = [await person(t, url, 'ana'), await person(t, url, 'ben')]
  for (const page of [ana, ben]) await enterRoom(page, lobby)
  const notice = ana.getByText('ben is typing…')
  await ben.getByRole('textbox').pressSequentially('Hm')
  await notice.waitFor()
  t.equal(await ben.getByText('is typing…').isVisible(), false, 'nobody is told about themselves')
  await ben.getByRole('textbox').press('Enter')
  await sees(ana, 'Hm')
  await notice.waitFor({ state: 'hidden' })
})

t.test('the list of rooms shows what is said elsewhere, over the same socket', async t => {
  const { built, url } = await listening(t)
  const ana = await person(t, url, 'ana')
  await ana.goto('about:blank')
  const sockets: string[] = []
  ana.on('websocket', socket => sockets.push(socket.url()))
  await enterRoom(ana, lobby)
  const first = ana.locator('.rooms li').first()
  await post(built, 'ben', lobby, 'said in the open room')
  await first.getByText('ben: said in the open room').waitFor()
  t.equal(await ana.getByRole('img', { name: 'Something new' }).count(), 0)
  await post(built, 'cleo', hike, 'said in another room')
  await first.getByText('cleo: said in another room').waitFor()
  await first.getByRole('img', { name: 'Something new' }).waitFor()
  t.strictSame(await ana.locator('.room-name').allInnerTexts(), ['Weekend hike', 'Lobby', 'A surprise for Cleo'])
  t.equal(sockets.length, 1)
  t.equal((await shown(ana)).includes('said in another room'), false)
})

t.test('a page whose socket the server cuts comes back by itself and has missed nothing', async t => {
  const { built, url } = await listening(t)
  const ana = await person(t, url, 'ana')
  await enterRoom(ana, lobby)
  for (const text of ['after the first cut', 'after the second cut']) {
    const reconnecting = state(ana, 'reconnecting')
    for (const socket of built.websocketServer.clients) socket.terminate()
    await reconnecting
    await post(built, 'ben', lobby, text)
    await sees(ana, text)
    await state(ana, 'online')
  }
  await post(built, 'ben', lobby, 'live again')
  await sees(ana, 'live again')
  t.strictSame((await shown(ana)).slice(-3), ['after the first cut', 'after the second cut', 'live again'])
  t.strictSame((await shown(ana)), (await textsOf(lobby)).slice(-100), 'each once, in order')
})

t.test('a page whose network is gone keeps what is typed, and says and hears everything once it is back', async t => {
  const { built, url } = await listening(t)
  const cable = new Cable(url)
  await cable.plug()
  const ana = await person(t, cable.url, 'ana')
  t.teardown(() => cable.unplug())
  await enterRoom(ana, lobby)
  const before = await shown(ana)
  await cable.unplug()
  await state(ana, 'reconnecting')
  for (const number of ['one', 'two', 'three']) await post(built, 'ben', lobby, `missed: ${number}`)
  await say(ana, 'said without a network')
  t.equal(await ana.getByRole('textbox').inputValue(), 'said without a network')
  await cable.plug()
  await sees(ana, 'said without a network')
  await state(ana, 'online')
  t.strictSame((await shown(ana)).slice(before.length), ['missed: one', 'missed: two', 'missed: three', 'said without a network'])
  await ana.waitForFunction(() => document.querySelector('textarea')!.value === '')
  t.strictSame((await textsOf(lobby)).slice(-1), ['said without a network'], 'it was said once')
})

t.test('what is said after the page was rendered and before its socket is there is heard all the same', async t => {
  const { built, url } = await listening(t)
  const ana = await person(t, url, 'ana')
  const asked: string[] = []
  ana.on('request', request => { if (request.url().includes('/messages?')) asked.push(request.url()) })
  await ana.route('**/cable.js', async route => {
    await post(built, 'ben', lobby, 'said in between')
    await post(built, 'cleo', hike, 'in between, and elsewhere')
    await route.continue()
  })
  await enterRoom(ana, lobby)
  await sees(ana, 'said in between')
  await ana.locator('.rooms').getByText('cleo: in between, and elsewhere').waitFor()
  t.strictSame(asked, [], 'it came with the subscription')
})

t.test('a server that starts anew has forgotten what was said, and the page asks the database', async t => {
  const { built, url } = await listening(t)
  const cable = new Cable(url)
  await cable.plug()
  const ana = await person(t, cable.url, 'ana')
  t.teardown(() => cable.unplug())
  await enterRoom(ana, lobby)
  const before = await shown(ana)
  await cable.unplug()
  await state(ana, 'reconnecting')
  await post(built, 'ben', lobby, 'the last words of the old server')
  await built.close()
  const next = await listening(t)
  await post(next.built, 'ben', lobby, 'the first words of the new one')
  await ana.route('**/messages?*', route => route.abort(), { times: 1 })
  const unanswered = ana.waitForEvent('requestfailed')
  await cable.plug(next.url)
  await unanswered
  await state(ana, 'online')
  t.equal((await shown(ana)).length, before.length)
  // Whoever got no answer asks again with the next connection, though that one has missed nothing.
  for (const socket of next.built.websocketServer.clients) socket.terminate()
  await sees(ana, 'the first words of the new one')
  await state(ana, 'online')
  await post(next.built, 'ben', lobby, 'live')
  await sees(ana, 'live')
  t.strictSame((await shown(ana)).slice(before.length), ['the last words of the old server', 'the first words of the new one', 'live'])
})

t.test('who is no member is turned away, by the page and by the socket', async t => {
  const { url } = await listening(t)
  const cleo = await person(t, url, 'cleo')
  const answer = await cleo.goto(`/rooms/${surprise}`)
  t.equal(answer!.status(), 403)
  await cleo.getByRole('heading', { name: 'This room is private' }).waitFor()
  t.equal(await cleo.getByText('surprise').count(), 0)
  await cleo.getByRole('link', { name: 'Your rooms' }).click()
  t.strictSame((await cleo.locator('.room-name').allInnerTexts()).sort(), ['Lobby', 'Weekend hike'])
  const heard = await cleo.evaluate(async room => {
    const { cable } = await import('/cable.js' as string)
    return await new Promise(resolve => {
      cable.subscribe('ChatChannel', { room_id: room }, { connected: () => resolve('connected'), rejected: (event: unknown) => resolve(event) })
    })
  }, surprise)
  t.strictSame(heard, { reason: null })
  t.equal((await cleo.goto('/rooms/99'))!.status(), 404)
})

t.test('a page is closed when its session ends somewhere else, and keeps the draft', async t => {
  const { url } = await listening(t)
  const ana = await person(t, url, 'ana')
  await enterRoom(ana, lobby)
  await ana.getByRole('textbox').fill('half a thought')
  const other = await ana.context().newPage()
  await other.goto('/rooms')
  await other.getByRole('button', { name: 'Log out' }).click()
  await other.waitForURL('**/login')
  await ana.getByText('This page is not connected any more.').waitFor()
  await state(ana, 'offline')
  t.equal(await ana.getByRole('textbox').inputValue(), 'half a thought')
})

t.test('markup that somebody says is shown as they typed it', async t => {
  const { url } = await listening(t)
  const [ana, ben] = [await person(t, url, 'ana'), await person(t, url, 'ben')]
  for (const page of [ana, ben]) await enterRoom(page, lobby)
  const markup = '<img src=x onerror="alert(1)"> <b>bold</b> &amp;'
  await say(ana, markup)
  await sees(ben, markup)
  await ben.reload()
  await sees(ben, markup)
  t.equal(await ben.locator('.text img, .text b').count(), 0)
})

t.test('what cannot be said stays in the field, with the reason under it', async t => {
  const { url } = await listening(t)
  const ana = await person(t, url, 'ana')
  await enterRoom(ana, lobby)
  const kept = await textsOf(lobby)
  await say(ana, 'x'.repeat(2001))
  await ana.getByRole('alert').getByText('at most 2,000 characters').waitFor()
  await ana.getByText('2,001 / 2,000').waitFor()
  t.equal((await ana.getByRole('textbox').inputValue()).length, 2001)
  await say(ana, '  ')
  await ana.getByText('There is nothing to send yet.').waitFor()
  t.strictSame(await textsOf(lobby), kept)
})

t.test('who reads further up is not pulled away, and told that there is more', async t => {
  const { built, url } = await listening(t)
  const ana = await person(t, url, 'ana')
  await enterRoom(ana, lobby)
  const log = ana.locator('.log')
  await log.evaluate(element => { element.scrollTop = -element.scrollHeight })
  const top = () => ana.locator('.message').first().evaluate(message => message.getBoundingClientRect().top)
  const there = await top()
  await post(built, 'ben', lobby, 'further down')
  await ana.getByRole('button', { name: 'New messages' }).waitFor()
  t.ok(Math.abs(await top() - there) <= 1, 'the messages stay where they were read')
  await ana.getByRole('button', { name: 'New messages' }).click()
  await ana.locator('.newer').waitFor({ state: 'hidden' })
  t.equal(await log.evaluate(element => element.scrollTop), 0)
})

t.test('without any script it is a page with a form', async t => {
  const { url } = await listening(t)
  const ana = await person(t, url, 'ana', { javaScriptEnabled: false })
  await ana.goto(`/rooms/${lobby}`)
  await ana.getByRole('textbox').fill('said without a script')
  await ana.getByRole('button', { name: 'Send' }).click()
  await ana.waitForURL(`**/rooms/${lobby}`)
  await sees(ana, 'said without a script')
  t.equal((await textsOf(lobby)).at(-1), 'said without a script')
  await ana.getByRole('textbox').fill('x'.repeat(2001))
  await ana.getByRole('button', { name: 'Send' }).click()
  await ana.getByText('at most 2,000 characters').waitFor()
  t.equal((await ana.getByRole('textbox').inputValue()).length, 2001)
  await ana.getByRole('link', { name: 'Look again' }).waitFor()
})
