// How the chat looks and feels: on every screen, by day and by night, with a keyboard alone, and to those who want stillness.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t from 'tap'
import { enterRoom, person, sees, state, visitor } from './browser.ts'
import { database, hike, listening, lobby, surprise } from './fixture.ts'

t.test('it is used with the keyboard alone', async t => {
  const { url } = await listening(t)
  const ana = await visitor(t, url)
  await ana.goto('/login')
  await ana.keyboard.type('ana')
  await ana.keyboard.press('Tab')
  await ana.keyboard.type('channels')
  await ana.keyboard.press('Enter')
  await ana.waitForURL('**/rooms')
  await ana.getByRole('link', { name: 'Lobby' }).focus()
  await ana.keyboard.press('Enter')
  await state(ana, 'online')
  t.equal(await ana.evaluate(() => document.activeElement!.id), 'message', 'one can write at once')
  await ana.keyboard.type('two')
  await ana.keyboard.press('Shift+Enter')
  await ana.keyboard.type('lines')
  await ana.keyboard.press('Enter')
  await sees(ana, 'two\nlines')
  t.equal(await ana.evaluate(() => document.activeElement!.id), 'message', 'and go on')
  await ana.keyboard.press('Shift+Tab')
  t.equal(await ana.evaluate(() => document.activeElement!.getAttribute('role')), 'log', 'the messages can be scrolled')
  t.equal(await ana.locator('.log').evaluate(log => getComputedStyle(log).outlineStyle), 'solid', 'and it shows where one is')
  await ana.evaluate(() => { (document.activeElement as HTMLElement).blur() })
  await ana.locator('.skip').focus()
  t.equal(await ana.locator('.skip').evaluate(link => getComputedStyle(link).clipPath), 'none')
  await ana.keyboard.press('Enter')
  t.equal(await ana.evaluate(() => document.activeElement!.id), 'message')
})

t.test('every page fits, from the narrowest phone to a desktop, by day and by night', async t => {
  const { url } = await listening(t)
  const folder = await mkdtemp(join(tmpdir(), 'lantern-'))
  t.comment(`screenshots: ${folder}`)
  await database.query('insert into messages (room_id, author_id, text) values ($1, 1, $2)', [hike, 'w'.repeat(300)])
  for (const [width, height] of [[320, 640], [390, 780], [1280, 800]] as const) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const look = { viewport: { width, height }, colorScheme }
      const check = async (page: Page, name: string) => {
        await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) })
        t.equal(await page.evaluate(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)), width, `${name} at ${width}`)
      }
      const somebody = await visitor(t, url, look)
      await somebody.goto('/login')
      await check(somebody, 'login')
      await somebody.goto('/nowhere')
      await check(somebody, '404')
      const cleo = await person(t, url, 'cleo', look)
      await check(cleo, 'rooms')
      await enterRoom(cleo, hike)
      await check(cleo, 'room')
      await cleo.goto(`/rooms/${surprise}`)
      await check(cleo, '403')
      await Promise.all([somebody, cleo].map(page => page.context().close()))
    }
  }
})

t.test('nothing moves for those who asked for stillness', async t => {
  const { url } = await listening(t)
  const running = async (reducedMotion: 'reduce' | 'no-preference') => {
    const ana = await person(t, url, 'ana', { reducedMotion })
    await enterRoom(ana, lobby)
    return await ana.locator('.dots i').first().evaluate(dot => getComputedStyle(dot).animationName)
  }
  t.equal(await running('reduce'), 'none')
  t.equal(await running('no-preference'), 'breathe')
})
