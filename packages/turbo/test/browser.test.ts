// What turboStream writes, applied by the real Turbo in a real browser: every action, and nothing that was not meant.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import fc from 'fast-check'
import Fastify from 'fastify'
import { chromium } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { html, TURBO_STREAM_MIME, turboStream, turboStreamChannel, wantsTurboStream } from '../src/index.ts'
import type { Html } from '../src/index.ts'

const turbo = await readFile(createRequire(import.meta.url).resolve('@hotwired/turbo/dist/turbo.es2017-esm.js'))
const ItemView = (id: string, text: string) => html`<li id="${id}" title="${text}">${text}</li>`

// One server and one browser for the file; a page of its own for each test.
const bodies = new Map<string, Html>()
const server = Fastify()
server.get('/turbo.js', (_request, reply) => reply.type('text/javascript').send(turbo))
server.addContentTypeParser('application/x-www-form-urlencoded', (_request, body, done) => { body.resume().once('end', () => done(null)) })
server.get<{ Params: { page: string } }>('/:page', ({ params }, reply) => reply.type('text/html').send(String(html`<!doctype html>
  <html lang="en"><head><title>${params.page}</title><meta name="turbo-refresh-method" content="morph"><script type="module" src="/turbo.js"></script></head>
  <body>${bodies.get(params.page)}</body></html>`)))
server.get('/touch', request => request.headers['x-turbo-request-id'])
server.post('/add', (request, reply) => wantsTurboStream(request)
  ? reply.type(TURBO_STREAM_MIME).send(turboStream.all(turboStream.append('list', ItemView, 'new', 'by form'), turboStream.update('count', '3')))
  : reply.code(406).send())
const url = await server.listen()
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
t.teardown(async () => {
  await browser.close()
  await server.close()
})

/** A page on which Turbo runs. `apply` settles once Turbo has applied the streams. */
async function open (t: Test, name: string, body: Html) {
  bodies.set(name, body)
  const page = await browser.newPage()
  t.teardown(() => page.close())
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
  await page.goto(`${url}/${name}`)
  await page.waitForFunction('window.Turbo')
  // Streams are applied in order: when this one is, those before it are.
  let fence = 0
  const apply = async (streams: string) => {
    await page.evaluate(streams => (window as any).Turbo.renderStreamMessage(streams), streams + turboStream.append({ targets: 'body' }, `<hr id="fence-${++fence}" hidden>`))
    await page.locator(`#fence-${fence}`).waitFor({ state: 'attached' })
  }
  return { page, apply, complaints, ids: () => page.evaluate(() => Array.from(document.querySelectorAll('#list > *, #list'), ({ id }) => id)) }
}

t.test('each action does what the guide says', async t => {
  const { page, apply, ids, complaints } = await open(t, 'actions', html`<ul id="list">${ItemView('a', 'A')}${ItemView('b', 'B')}</ul>`)

  await apply(turboStream.append('list', ItemView, 'c', 'C'))
  t.same(await ids(), ['list', 'a', 'b', 'c'])
  await apply(turboStream.prepend('list', ItemView, 'd', 'D'))
  t.same(await ids(), ['list', 'd', 'a', 'b', 'c'])
  await apply(turboStream.before('b', ItemView, 'e', 'E'))
  t.same(await ids(), ['list', 'd', 'a', 'e', 'b', 'c'])
  await apply(turboStream.after('b', ItemView, 'f', 'F'))
  t.same(await ids(), ['list', 'd', 'a', 'e', 'b', 'f', 'c'])
  await apply(turboStream.replace('d', ItemView, 'g', 'G'))
  t.same(await ids(), ['list', 'g', 'a', 'e', 'b', 'f', 'c'])
  await apply(turboStream.update('g', 'changed'))
  t.same([await page.locator('#g').textContent(), await page.locator('#g').getAttribute('title')], ['changed', 'G'])
  await apply(turboStream.remove('g'))
  t.same(await ids(), ['list', 'a', 'e', 'b', 'f', 'c'])
  await apply(turboStream.append('list', ItemView, 'a', 'again'))
  t.same(await ids(), ['list', 'e', 'b', 'f', 'c', 'a'], 'an id that is there already moves')
  await apply(turboStream.all(turboStream.remove({ targets: '#e, #f' }), turboStream.update({ targets: 'li' }, html`all of ${'<them>'}`)))
  t.same(await page.locator('li').allTextContents(), ['all of <them>', 'all of <them>', 'all of <them>'])
  t.same(complaints, [])
})

t.test('morph keeps the nodes that did not change, the focus, and what was typed into a permanent field', async t => {
  const card = (title: string, names: string[]) => html`<section id="card"><h2>${title}</h2><input id="draft" data-turbo-permanent><ul>${names.map(name => ItemView(name, name))}</ul></section>`
  const { page, apply, complaints } = await open(t, 'morph', card('one', ['a', 'b']))
  await page.locator('#draft').fill('half a sen')
  await page.evaluate(() => { (window as any).kept = document.getElementById('b') })
  const state = () => page.evaluate(() => [document.querySelector('h2')!.textContent, document.querySelector('input')!.value, document.activeElement!.id, document.getElementById('b') === (window as any).kept])

  await apply(turboStream.morph('card', card, 'two', ['c', 'b']))
  t.same(await state(), ['two', 'half a sen', 'draft', true])
  await apply(turboStream.update({ target: 'card', method: 'morph' }, String(card('three', ['b', 'd'])).replace(/^<section[^>]*>|<\/section>$/g, '')))
  t.same(await state(), ['three', 'half a sen', 'draft', true])
  await apply(turboStream.replace('card', card, 'four', ['b']))
  t.same(await state(), ['four', 'half a sen', 'draft', false], 'a plain replace keeps no node')
  t.same(complaints, [])
})

t.test('a refresh loads the page again, but not for the request that caused it', async t => {
  const { page, apply, complaints } = await open(t, 'refresh', html`<p id="said">before</p>`)
  const own = await page.evaluate(() => (window as any).Turbo.fetch('/touch').then((answer: Response) => answer.text()))
  bodies.set('refresh', html`<p id="said">after</p>`)
  await page.evaluate(() => {
    Object.assign(window, { visits: 0 })
    addEventListener('turbo:visit', () => { (window as any).visits++ })
  })
  // Turbo waits a little before it refreshes: a timer as long as its own, set later, runs later.
  const visits = () => page.evaluate(() => new Promise(resolve => setTimeout(() => resolve((window as any).visits), (window as any).Turbo.session.pageRefreshDebouncePeriod)))
  await apply(turboStream.refresh({ requestId: own }))
  t.equal(await visits(), 0)
  await apply(turboStream.refresh({ requestId: 'of somebody else' }))
  t.equal(await visits(), 1)
  await page.getByText('after').waitFor()
  t.same(complaints, [])
})

t.test('a form is answered with streams, and the page stays', async t => {
  const { page, complaints } = await open(t, 'form', html`<form method="post" action="/add"><button>Add</button></form><ul id="list"></ul><b id="count">2</b>`)
  await page.getByText('Add').click()
  await page.getByText('by form').waitFor()
  t.equal(await page.locator('#count').textContent(), '3')
  t.equal(new URL(page.url()).pathname, '/form')
  t.same(complaints, [])
})

const hostile = [
  'x"><img src=x onerror=alert(1)>', "a'b", "' onmouseover='alert(1)", '</template><script>alert(1)</script>', '</TEMPLATE></turbo-stream><script>alert(1)</script>',
  'javascript:alert(1)', '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<svg onload=alert(1)>', '<iframe srcdoc="<script>parent.alert(1)</script>">',
  '"><turbo-stream action="remove" target="list"></turbo-stream>', '--><script>alert(1)</script>', '<![CDATA[<script>alert(1)</script>]]>', '&lt;script&gt;', '\r\n\t', '\u2028', 'constructor', '__proto__'
]

t.test('what a visitor wrote is text to the browser too, and nothing of it runs', async t => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).map(string => string.replaceAll('\0', '?'))
  const strings = [...new Set([...hostile, ...fc.sample(fc.oneof(text, fc.array(fc.constantFrom(...hostile), { minLength: 1, maxLength: 3 }).map(parts => parts.join(''))), 300)])]
  const { page, apply, complaints } = await open(t, 'hostile', html`<ul id="list"></ul>`)
  await page.evaluate(strings => {
    Object.assign(window, { ran: 0, alert: () => { (window as any).ran++ } })
    // Elements by those names, made without any parser.
    for (const string of strings) Object.assign(document.getElementById('list')!.appendChild(document.createElement('li')), { id: string })
  }, strings)

  await apply(turboStream.all(...strings.map(string => turboStream.update(string, html`<b title="${string}">${string}</b>`))))
  await apply(turboStream.all(...strings.map(string => turboStream.append({ targets: 'body' }, turboStreamChannel(string, { [string]: string }, { since: string })))))
  const seen = await page.evaluate(() => ({
    items: Array.from(document.querySelectorAll('#list > li'), ({ id, children: [bold], childNodes }) => [id, bold?.textContent, bold?.getAttribute('title'), childNodes.length, bold?.children.length]),
    channels: Array.from(document.querySelectorAll('turbo-stream-channel'), element => [element.getAttribute('channel'), element.getAttribute('params'), element.getAttribute('since'), element.attributes.length]),
    others: document.querySelectorAll('img, svg, iframe, turbo-stream, body script').length,
    ran: (window as any).ran
  }))
  t.same(seen.items, strings.map(string => [string, string, string, 1, 0]))
  t.same(seen.channels, strings.map(string => [string, JSON.stringify({ [string]: string }), string, 3]))
  t.equal(seen.others, 0)
  t.equal(seen.ran, 0)
  t.same(complaints, [])

  await apply(turboStream.append('list', '<script>alert(1)</script>'))
  await page.waitForFunction('ran === 1')
  t.pass('HTML of the app itself may run: Turbo sees to it')
})
