// The house as people have it: real browsers, the real Turbo, and not one line of JavaScript of the app's own.
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { turboStream } from '@fastify-channels/turbo'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { enter, live, person, say, sees, shown } from './browser.ts'
import { app, boat, circle, comeIn, form, idOf, kitchen, textsOf } from './fixture.ts'

async function listening (test: Test): Promise<{ built: FastifyInstance, url: string }> {
  const built = await app(test)
  return { built, url: await built.listen({ port: 0, host: '127.0.0.1' }) }
}

t.test('it looks the same by day and by night, on a desk and on a phone: nothing is cut off', async t => {
  const { built, url } = await listening(t)
  const folder = process.env.SCREENSHOTS ?? await mkdtemp(join(tmpdir(), 'turbo-chat-'))
  const ben = await comeIn(built, 'Ben')
  for (const [name, options] of Object.entries({
    'desk-light': { viewport: { width: 1200, height: 760 }, colorScheme: 'light' },
    'desk-dark': { viewport: { width: 1200, height: 760 }, colorScheme: 'dark' },
    'phone-light': { viewport: { width: 375, height: 667 }, colorScheme: 'light', isMobile: true, hasTouch: true },
    'phone-dark': { viewport: { width: 375, height: 667 }, colorScheme: 'dark', isMobile: true, hasTouch: true }
  } as const)) {
    const ana = await person(t, url, 'Ana', options)
    await say(ana, 'Late as ever. I wash up.')
    await sees(ana, 'Late as ever. I wash up.')
    await built.inject({ method: 'POST', url: `/rooms/${kitchen}/messages`, cookies: ben, ...form({ text: `Then I dry. And a long one, so that it has to wrap on every screen there is: ${name}, and a-word-without-any-room-to-break-in-it-at-all-so-help-me.` }) })
    await sees(ana, name)
    await ana.screenshot({ path: join(folder, `${name}.png`) })
    await ana.getByRole('link', { name: 'Edit' }).first().click()
    await ana.locator('.editor').waitFor()
    await ana.screenshot({ path: join(folder, `${name}-edit.png`) })
    for (const part of ['.room', '.composer', '.status', '.editor', '.log']) {
      const box = (await ana.locator(part).first().boundingBox())!
      t.ok(box.x >= 0 && box.x + box.width <= options.viewport.width && box.y + box.height <= options.viewport.height, `${part} is all there: ${name}`)
    }
    t.equal(await ana.evaluate(() => document.documentElement.scrollWidth), options.viewport.width)
    await ana.getByRole('link', { name: 'Cancel' }).click()
    await ana.locator('.editor').waitFor({ state: 'detached' })
    await ana.locator('.message', { hasText: 'Late as ever.' }).first().getByRole('button', { name: 'Delete' }).click()
    await ana.locator('.message', { hasText: 'Late as ever.' }).waitFor({ state: 'detached' })
    await ana.getByRole('button', { name: 'Leave' }).click()
    await ana.getByRole('heading', { name: 'Come in' }).waitFor()
    await ana.screenshot({ path: join(folder, `${name}-door.png`) })
  }
})

t.test('what one writes, edits and deletes, the other sees; and everybody once', async t => {
  const { url } = await listening(t)
  const [ana, ben] = [await person(t, url, 'Ana'), await person(t, url, 'Ben')]
  const before = await shown(ana)

  await say(ana, 'First <b>')
  await sees(ben, 'First <b>')
  await say(ben, 'Second')
  await sees(ana, 'Second')
  for (const page of [ana, ben]) t.strictSame(await shown(page), [...before, 'First <b>', 'Second'])
  t.equal(await ana.getByRole('textbox').inputValue(), '', 'a fresh form took the place of the one that was sent')
  t.ok(await ana.getByRole('textbox').evaluate(field => field === document.activeElement), 'and one can go on typing')
  for (const page of [ana, ben]) t.equal(await page.locator('#last-1').textContent(), 'Ben: Second')

  const own = ana.locator('.message', { hasText: 'First <b>' })
  t.equal(await ben.getByRole('link', { name: 'Edit' }).count(), 1, 'only what is one’s own can be edited')
  await own.getByRole('link', { name: 'Edit' }).click()
  const editor = ana.locator('.editor').getByRole('textbox')
  t.equal(await editor.inputValue(), 'First <b>')
  await editor.fill('First, and better')
  await editor.press('Enter')
  for (const page of [ana, ben]) {
    await sees(page, 'First, and better')
    t.strictSame(await shown(page), [...before, 'First, and better', 'Second'])
    t.match(await page.locator('.message', { hasText: 'and better' }).locator('.byline').textContent(), /edited$/)
  }

  await ben.locator('.message', { hasText: 'Second' }).getByRole('button', { name: 'Delete' }).click()
  for (const page of [ana, ben]) {
    await page.locator('.message', { hasText: 'Second' }).waitFor({ state: 'detached' })
    t.strictSame(await shown(page), [...before, 'First, and better'])
    t.equal(await page.locator('#last-1').textContent(), 'Ana: First, and better')
  }
})

t.test('whoever changed something gets it with the answer, and never by the cable too', async t => {
  const { built, url } = await listening(t)
  const [ana, ben] = [await person(t, url, 'Ana'), await person(t, url, 'Ben')]
  // Counts what Turbo applies; an id that is there already would hide a second time.
  for (const page of [ana, ben]) {
    await page.evaluate(() => {
      Object.assign(window, { applied: [] })
      addEventListener('turbo:before-stream-render', ({ target }) => { (window as any).applied.push((target as Element).getAttribute('action') + ' ' + (target as Element).getAttribute('target')) })
    })
  }
  await say(ana, 'Once')
  for (const page of [ana, ben]) await sees(page, 'Once')
  const both = ['append messages', 'update last-1']
  await built.cable.broadcast('room_1', turboStream.append('messages', '<p id="fence">'))
  for (const page of [ana, ben]) await page.locator('#fence').waitFor({ state: 'attached' })
  t.strictSame(await ana.evaluate('applied'), [...both, 'replace composer', 'append messages'])
  t.strictSame((await ben.evaluate('applied') as string[]).sort(), [...both, 'append messages'].sort())
})

t.test('going back and forth leaves one subscription, and a page that comes back has missed nothing', async t => {
  const { built, url } = await listening(t)
  const ana = await person(t, url, 'Ana')
  const ben = await comeIn(built, 'Ben')
  await ana.evaluate('kept = true')
  for (let turn = 0; turn < 5; turn++) {
    await enter(ana, 'Reading circle')
    await enter(ana, 'The boat')
    await ana.goBack()
    await ana.getByRole('heading', { name: 'Reading circle' }).waitFor()
    await live(ana)
    const text = `While you were away ${turn}`
    await built.inject({ method: 'POST', url: `/rooms/${boat}/messages`, cookies: ben, ...form({ text }) })
    await ana.locator(`#last-${boat}`, { hasText: text }).waitFor()
    await ana.goForward()
    await sees(ana, text)
    await enter(ana, 'The kitchen')
  }
  await enter(ana, 'The boat')
  t.strictSame((await shown(ana)).slice(-5), [0, 1, 2, 3, 4].map(turn => `While you were away ${turn}`))
  t.ok(await ana.evaluate('kept'), 'it was one page all the time')
  t.equal(await ana.locator('turbo-stream-channel').count(), 1)

  // Without an id, so that nothing could hide a second one.
  for (const room of [kitchen, circle, boat]) await built.cable.broadcast(`room_${room}`, turboStream.append('messages', `<p class="probe">${room}</p>`))
  await built.cable.broadcast('rooms', turboStream.append('messages', '<p class="probe">rooms</p><p class="fence">'))
  await ana.locator('.fence').waitFor({ state: 'attached' })
  t.strictSame(await ana.locator('.probe').allTextContents(), [String(boat), 'rooms'])
})

t.test('a line that was cut is caught up, and so is what came between the page and its subscription', async t => {
  const { built, url } = await listening(t)
  const [ana, cookies] = [await person(t, url, 'Zoe'), await comeIn(built, 'Ben')]
  const post = (text: string) => built.inject({ method: 'POST', url: `/rooms/${kitchen}/messages`, cookies, ...form({ text }) })
  await built.cable.disconnect({ userId: await idOf('Zoe') }, { reconnect: true })
  await ana.getByText('Connecting…').waitFor()
  await post('Said in the dark')
  await sees(ana, 'Said in the dark')
  await live(ana)
  t.equal((await shown(ana)).filter(text => text === 'Said in the dark').length, 1)

  // The page is there, and its subscription is not.
  await ana.route('**/cable.js', async route => {
    await post('Said in between')
    await route.continue()
  })
  await ana.reload()
  await sees(ana, 'Said in between')
  await live(ana)
  t.strictSame((await shown(ana)).slice(-2), ['Said in the dark', 'Said in between'])
})

t.test('no page has a script of its own, nor what a visitor wrote as one', async t => {
  const { url } = await listening(t)
  const ana = await person(t, url, '<img src=x onerror=alert(1)>')
  ana.on('dialog', dialog => { t.fail('a script ran'); dialog.dismiss().catch(() => {}) })
  const text = '</template></turbo-frame><script>alert(1)</script>'
  await say(ana, text)
  await sees(ana, text)
  await ana.reload()
  await live(ana)
  t.equal((await shown(ana)).at(-1), text)
  t.strictSame(await ana.locator('script').evaluateAll(scripts => scripts.map(script => [new URL((script as HTMLScriptElement).src).pathname, script.textContent])), [['/turbo.js', ''], ['/cable.js', '']])
  t.equal(await ana.locator('.message script, .message img').count(), 0)
  t.equal((await textsOf(kitchen)).at(-1), text)
})

t.test('without any script it is a page with forms', async t => {
  const { url } = await listening(t)
  const ana = await person(t, url, 'Ana', { javaScriptEnabled: false })
  await ana.getByRole('textbox').fill('On paper')
  await ana.getByRole('button', { name: 'Send' }).click()
  await sees(ana, 'On paper')
  await ana.getByRole('link', { name: 'Edit' }).click()
  await ana.getByRole('textbox').fill('On better paper')
  await ana.getByRole('button', { name: 'Save' }).click()
  await sees(ana, 'On better paper')
  await ana.getByRole('button', { name: 'Delete' }).click()
  await ana.locator('.message', { hasText: 'paper' }).waitFor({ state: 'detached' })
  t.equal(new URL(ana.url()).pathname, `/rooms/${kitchen}`)
})
