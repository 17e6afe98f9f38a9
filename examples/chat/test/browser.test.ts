// The chat as people have it: two browsers, what is typed in one appears in the other, and nowhere else.
import t from 'tap'
import { enterRoom, person, say, sees, shown, state } from './browser.ts'
import { hike, listening, lobby, post, surprise, textsOf } from './fixture.ts'

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
