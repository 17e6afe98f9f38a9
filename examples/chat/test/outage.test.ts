// A line that breaks, a server that goes and comes, a session that ends: what a page makes of it.
import t from 'tap'
import { Cable, enterRoom, person, say, sees, shown, state } from './browser.ts'
import { hike, listening, lobby, post, textsOf } from './fixture.ts'

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
