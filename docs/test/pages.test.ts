// The pages of the docs in a real browser: the readme's example as it is pasted, and the guide's whole example with three people.
import { spawn } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { layOut, root } from './blocks.ts'

const folder = join(root, 'docs/.run/pages-test')
layOut('README.md', folder)
layOut('docs/guide.md', folder)

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
t.teardown(() => browser.close())

/** A window of somebody's own; whatever goes wrong in its pages fails the test. */
async function visitor (t: Test, baseURL: string): Promise<Page> {
  const context = await browser.newContext({ baseURL })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', error => t.fail(`an error in the page: ${error.stack ?? error.message}`))
  return page
}

t.test("the readme's example works as it is pasted", async t => {
  const file = join(folder, 'readme/0/server.mjs')
  const code = readFileSync(file, 'utf8')
  t.match(code, /listen\(\{ port: 3000 \}\)/)
  // Any free port: this is a test among others.
  writeFileSync(file, code.replace('port: 3000', 'port: 0'))
  const server = spawn(process.execPath, ['--import=./tools/ts.mjs', '--conditions=fastify-channels-source', file], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH } })
  t.teardown(() => server.kill())
  const [url] = await once(createInterface({ input: server.stdout }), 'line')

  const [one, other] = [await visitor(t, url), await visitor(t, url)]
  await one.goto('/')
  await other.goto('/')
  // Both are there once each has heard itself: what is said before is heard by those who listen already.
  for (const page of [one, other]) {
    await page.fill('input', 'is anybody there?')
    await page.click('button')
    await page.waitForSelector('li')
  }
  await one.fill('input', '<b>hello</b>')
  await one.click('button')
  await other.waitForSelector('li:text-is("<b>hello</b>")')
  t.equal(await other.locator('li b').count(), 0, 'as text')
  t.equal(await one.inputValue('input'), '')
})

t.test("the guide's whole example: two people talk, a third stays outside", async t => {
  const { app } = await import(pathToFileURL(join(folder, 'guide/14/app.ts')).href)
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const person = async (login: string) => {
    const page = await visitor(t, url)
    t.equal((await page.request.post(`/login/${login}`)).status(), 204)
    return page
  }
  const [ana, ben, cleo] = [await person('ana'), await person('ben'), await person('cleo')]
  t.equal((await cleo.request.get('/rooms/42')).status(), 404)

  const say = async (page: Page, text: string) => {
    await page.fill('[name=text]', text)
    await page.click('button')
  }
  await ana.goto('/rooms/42')
  await say(ana, 'hello')
  await ana.waitForSelector('li:text-is("ana: hello")')
  await ben.goto('/rooms/42')
  await ben.waitForSelector('li:text-is("ana: hello")')
  await say(ben, 'hello yourself')
  await ana.waitForSelector('li:text-is("ben: hello yourself")')
  await ana.fill('[name=text]', 'I am')
  await ben.waitForSelector('#typing:text-is("ana is typing…")')
  t.equal(await ana.textContent('#typing'), '', 'nobody is told of their own typing')
  await ana.click('button')
  await ben.waitForSelector('li:text-is("ana: I am")')
  t.equal(await ben.textContent('#typing'), '')
  t.equal(await ben.locator('li').count(), 3)
  t.equal(await ana.locator('li').count(), 3)
})
