// The page without a gap: pages are rendered, loaded and subscribed in a real Chromium while broadcasts run; none of them misses one, none shows one twice.
// In full: GAP_PAGES=200 npx tap --timeout=600 packages/fastify-channels/test/resume-browser.test.ts
import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import t from 'tap'

const pages = Number(process.env.GAP_PAGES ?? 40)
/** Pages that are open at once. */
const abreast = 4
/** What a page hears live before it is looked at. */
const LIVE = 10

const onPath = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'chromium')).find(file => existsSync(file))
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? onPath ?? 'chromium' })
t.teardown(() => browser.close())

class ChatChannel extends Channel {
  static override actions = {}
  override subscribed () { this.streamFrom('chat') }
}

/** A page that shows the last messages and those that come. It subscribes when it gets round to it. */
function render (messages: readonly number[], since: string | null): string {
  return `<!doctype html><title>chat</title><ol>${messages.map(n => `<li id="m${n}">${n}</li>`).join('')}</ol>
<script type="module" data-since='${since}'>
import { cable } from '/cable.js'
const { since } = document.querySelector('script').dataset
window.about = []
window.heard = []
await new Promise(resolve => setTimeout(resolve, Math.random() * 40))
cable.subscribe('ChatChannel', {}, {
  connected (about) { window.about.push(about) },
  received (n) {
    window.heard.push(n)
    // What was said while the page read its messages may be among them; Turbo's append knows it by its id as well.
    if (document.getElementById('m' + n)) return
    const item = document.createElement('li')
    item.id = 'm' + n
    item.textContent = n
    document.querySelector('ol').append(item)
  }
}, { since: since === 'null' ? null : since })
</script>`
}

/** An app whose messages never stop. */
async function chat (t: any) {
  const app = Fastify()
  await app.register(channels, { channels: { ChatChannel } })
  const messages: number[] = []
  /** A database that takes its time before and after it looks. */
  const read = async () => {
    await pause(Math.random() * 20)
    const found = messages.slice(-30)
    await pause(Math.random() * 20)
    return found
  }
  app.get('/', async (_request, reply) => {
    const { data, since } = await app.cable.snapshot('chat', read)
    return reply.type('text/html').send(render(data, since))
  })
  app.get('/without', async (_request, reply) => reply.type('text/html').send(render(await read(), null)))
  const over = new AbortController()
  const talk = (async () => {
    while (!over.signal.aborted) {
      messages.push(messages.length + 1)
      await app.cable.broadcast('chat', messages.length)
      await pause(5)
    }
  })()
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    over.abort()
    await talk
    await app.close()
  })
  return { messages, url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}

/** Opens a page, and what it shows when it was connected and heard some more. */
async function visit (page: Page, url: string): Promise<{ shown: number[], heard: number[], about: any[] }> {
  await page.goto(url)
  await page.waitForFunction('window.about?.length > 0')
  const now = await page.locator('li').count()
  await page.waitForFunction(`document.querySelectorAll('li').length >= ${now + LIVE}`)
  const [shown, heard, about] = await page.evaluate('[Array.from(document.querySelectorAll("li"), ({ textContent }) => Number(textContent)), window.heard, window.about]') as [number[], number[], any[]]
  return { shown, heard, about }
}

const faults = (shown: number[]) => shown.flatMap((n, index) => index === 0 || n === shown[index - 1]! + 1 ? [] : [`${n} after ${shown[index - 1]}`])

t.setTimeout(600_000)
t.test(`${pages} pages that are rendered while broadcasts run`, { timeout: 600_000 }, async t => {
  const { messages, url } = await chat(t)
  let left = pages
  let said = 0
  const all: string[] = []
  let recovered = 0
  await Promise.all(Array.from({ length: abreast }, async () => {
    const page = await browser.newPage()
    while (left-- > 0) {
      const { shown, heard, about } = await visit(page, url)
      all.push(...faults(shown), ...faults(heard))
      said += shown.length
      if (about[0].recovered === true && about[0].gap === false && about.length === 1) recovered++
    }
    await page.close()
  }))
  t.same(all, [], 'none misses one, none shows one twice')
  t.equal(recovered, pages, 'each was connected once, and told that it has everything')
  t.comment(`${messages.length} messages were said, ${said} shown`)
})

t.test('the same pages without since miss some: the gap is there to be closed', async t => {
  const { url } = await chat(t)
  const page = await browser.newPage()
  let missed = 0
  for (let tries = 0; missed === 0 && tries < 20; tries++) missed = faults((await visit(page, `${url}/without`)).shown).length
  t.ok(missed > 0)
  await page.close()
})
