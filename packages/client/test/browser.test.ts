// The client in a real browser, against the real server, with the real Turbo.
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { append, LiveApp } from './live-app.ts'

t.setTimeout(300_000)
const live = await LiveApp.start()
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  // Without it no page would ever come back from there.
  ignoreDefaultArgs: ['--disable-back-forward-cache']
})
t.teardown(async () => {
  await browser.close()
  await live.app.close()
})

async function open (t: Test, path: string): Promise<{ page: Page, complaints: string[] }> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => { if (message.type() === 'error') complaints.push(message.text()) })
  t.teardown(() => page.close())
  page.setDefaultTimeout(15_000)
  await page.goto(live.url + path)
  await page.waitForFunction('window.isReady')
  return { page, complaints }
}

/** Waits until the lists of a page show what was said, and everything is connected. */
async function shows (page: Page, rooms: string[]): Promise<void> {
  const expected = rooms.map(room => [room, live.heard(room)])
  await page.waitForFunction(expected => {
    const shown = Array.from(document.querySelectorAll<HTMLElement>('ul[data-room]'), list => [list.dataset.room, Array.from(list.children, ({ textContent }) => textContent)])
    return JSON.stringify(shown) === JSON.stringify(expected) &&
      Array.from(document.querySelectorAll('turbo-stream-channel')).every(element => element.hasAttribute('connected'))
  }, expected).catch(async error => {
    const shown = await page.evaluate(() => Array.from(document.querySelectorAll<HTMLElement>('ul[data-room]'), list => [list.dataset.room, Array.from(list.children, ({ textContent }) => textContent)]))
    throw new Error(`${error.message}\nshown:    ${JSON.stringify(shown)}\nexpected: ${JSON.stringify(expected)}`)
  })
}

/** Waits until exactly these rooms are occupied. */
async function occupied (t: Test, rooms: Array<[string, number]>): Promise<void> {
  const deadline = Date.now() + 5000
  while (JSON.stringify(live.occupied) !== JSON.stringify(rooms) && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
  t.same(live.occupied, rooms)
}

function cut (): void {
  for (const socket of live.app.websocketServer.clients) socket.terminate()
}

t.test('the guide in a page: subscribe, perform, receive, leave', async t => {
  const { page, complaints } = await open(t, '/bare')
  const told = await page.evaluate(async () => {
    const { cable } = window as any
    const told: unknown[] = []
    return await new Promise(resolve => {
      cable.connect()
      const chat = cable.subscribe('RoomChannel', { room: 'guide' }, {
        async connected () {
          told.push('connected')
          told.push(await chat.perform('shout', 'hello'))
          chat.unsubscribe()
          cable.subscribe('RoomChannel', { room: 'closed' }, { rejected: () => resolve(told) })
        },
        received (data: unknown) { told.push(data) }
      })
    })
  })
  t.same(told, ['connected', 'hello', 5])
  await occupied(t, [])
  t.same(complaints, [])
})

t.test('a cut is recovered from, and nothing said meanwhile is missed', async t => {
  const { page } = await open(t, '/bare')
  await page.evaluate(() => {
    const { cable } = window as any
    const told: unknown[] = (window as any).told = []
    cable.subscribe('RoomChannel', { room: 'cut' }, {
      connected: (event: object) => told.push(event),
      disconnected: () => told.push('disconnected'),
      received: (data: unknown) => told.push(data)
    })
  })
  await page.waitForFunction('told.length === 1')
  await live.app.cable.broadcast('room_cut', 1)
  await page.waitForFunction('told.length === 2')
  cut()
  await live.app.cable.broadcast('room_cut', 2)
  await live.app.cable.broadcast('room_cut', 3)
  await page.waitForFunction('told.length === 6')
  t.same(await page.evaluate('told'), [{ reconnected: false, recovered: null, gap: false }, 1, 'disconnected', 2, 3, { reconnected: true, recovered: true, gap: false }])
})

t.test('a page comes back from the back/forward cache and resumes', async t => {
  const { page } = await open(t, '/bare')
  await page.evaluate(() => {
    const { cable } = window as any
    const told: unknown[] = (window as any).told = []
    addEventListener('pageshow', ({ persisted }) => told.push(persisted ? 'from the cache' : 'anew'))
    cable.subscribe('RoomChannel', { room: 'cache' }, {
      connected: ({ recovered }: any) => told.push(recovered),
      disconnected: ({ reason }: any) => told.push(reason),
      received: (data: unknown) => told.push(data)
    })
  })
  await page.waitForFunction('told.length === 1')
  for (let times = 0; times < 2; times++) {
    await page.evaluate('told.length = 0')
    await page.goto(`${live.url}/bare?elsewhere`)
    await occupied(t, [])
    await live.app.cable.broadcast('room_cache', 'meanwhile')
    await page.goBack({ waitUntil: 'commit' })
    await page.waitForFunction('told.length === 4')
    t.same(await page.evaluate('told'), ['pagehide', 'from the cache', 'meanwhile', true])
  }
})

t.test('each action of Turbo, over the wire', async t => {
  const { page, complaints } = await open(t, '/rooms?rooms=x')
  await shows(page, ['x'])
  const li = (id: string) => `<li id="${id}">${id}</li>`
  const steps: Array<[string, string[]]> = [
    [`<turbo-stream action="append" target="room_x"><template>${li('a')}</template></turbo-stream>`, ['a']],
    [`<turbo-stream action="prepend" target="room_x"><template>${li('b')}</template></turbo-stream>`, ['b', 'a']],
    [`<turbo-stream action="before" target="a"><template>${li('c')}</template></turbo-stream>`, ['b', 'c', 'a']],
    [`<turbo-stream action="after" target="a"><template>${li('d')}</template></turbo-stream>`, ['b', 'c', 'a', 'd']],
    [`<turbo-stream action="replace" target="a"><template>${li('e')}</template></turbo-stream>`, ['b', 'c', 'e', 'd']],
    ['<turbo-stream action="remove" target="b"></turbo-stream>', ['c', 'e', 'd']],
    [`<turbo-stream action="update" target="room_x"><template>${li('f')}</template></turbo-stream>`, ['f']],
    [`<turbo-stream action="append" target="room_x"><template>${li('g')}</template></turbo-stream><turbo-stream action="append" target="room_x"><template>${li('h')}</template></turbo-stream>`, ['f', 'g', 'h']],
    [`<turbo-stream action="remove" targets="li"></turbo-stream><turbo-stream action="append" target="room_x"><template>${li('i')}<script>document.title = 'it ran'</script></template></turbo-stream>`, ['i', '']]
  ]
  for (const [stream, ids] of steps) {
    await live.app.cable.broadcast('room_x', stream)
    await page.waitForFunction(ids => JSON.stringify(Array.from(document.querySelector('#room_x')!.children, ({ id }) => id)) === JSON.stringify(ids), ids).catch(async error => {
      throw new Error(`${error.message} ${stream} ${await page.locator('#room_x').innerHTML()}`)
    })
  }
  t.equal(await page.title(), 'it ran', 'scripts too, as Turbo does it')
  await live.app.cable.broadcast('room_x', 'a text that is no stream')
  await live.app.cable.broadcast('room_x', { html: 'nor is this' })
  await live.app.cable.broadcast('room_x', '<turbo-stream action="update" target="room_x"><template>end</template></turbo-stream>')
  await page.waitForFunction('document.querySelector("#room_x").textContent === "end"')
  t.notMatch(await page.locator('html').textContent(), /no stream/)
  t.same(complaints, [])
})

t.test('morphing keeps the focus and what was typed', async t => {
  const { page, complaints } = await open(t, '/rooms?rooms=m')
  await shows(page, ['m'])
  const card = (title: string) => `<div id="card"><h2>${title}</h2><p id="same">same</p><input id="draft" data-turbo-permanent></div>`
  await live.app.cable.broadcast('room_m', `<turbo-stream action="replace" target="room_m"><template>${card('one')}</template></turbo-stream>`)
  await page.locator('#draft').fill('half a sen')
  await page.evaluate(() => { (window as any).before = document.querySelector('#same') })
  await live.app.cable.broadcast('room_m', `<turbo-stream action="replace" method="morph" target="card"><template>${card('two')}</template></turbo-stream>`)
  await page.waitForFunction('document.querySelector("h2").textContent === "two"')
  t.same(await page.evaluate(() => {
    const draft = document.querySelector<HTMLInputElement>('#draft')!
    return [document.querySelector('#same') === (window as any).before, document.activeElement === draft, draft.value]
  }), [true, true, 'half a sen'])
  t.same(complaints, [])
})

t.test('a refresh that morphs the page leaves its elements connected, and they go on from the new page', async t => {
  const { page } = await open(t, '/rooms?rooms=r')
  await live.say('r')
  await shows(page, ['r'])
  const entered = live.entered.get('r')
  for (let times = 0; times < 3; times++) {
    await live.app.cable.broadcast('room_r', `<turbo-stream action="append" target="room_r"><template><li>not in the database ${times}</li></template></turbo-stream>`)
    await page.waitForFunction(`document.querySelector('#room_r').lastElementChild.textContent === 'not in the database ${times}'`)
    await live.app.cable.broadcast('room_r', '<turbo-stream action="refresh"></turbo-stream>')
    await shows(page, ['r'])
    await live.say('r')
    await shows(page, ['r'])
  }
  t.equal(live.entered.get('r'), entered)
})

t.test('two pages: who says something hears it once, and so does the other', async t => {
  const [one, other] = [await open(t, '/rooms?rooms=say'), await open(t, '/rooms?rooms=say')]
  const texts = ({ page }: { page: Page }) => page.locator('#room_say li').allTextContents()
  for (const { page } of [one, other]) await shows(page, ['say'])
  await one.page.locator('#text').fill('hello')
  await one.page.locator('button').click()
  await other.page.waitForFunction('document.querySelectorAll("#room_say li").length === 1')
  // What comes after it has everything before it.
  await live.app.cable.broadcast('room_say', append('say', 'end'))
  for (const side of [one, other]) {
    await side.page.waitForFunction('document.querySelector("#room_say").lastElementChild?.textContent === "end"')
    t.same(await texts(side), ['hello', 'end'])
  }
  cut()
  await live.app.cable.broadcast('room_say', append('say', 'after the cut'))
  for (const side of [one, other]) {
    await side.page.waitForFunction('document.querySelector("#room_say").lastElementChild.textContent === "after the cut"')
    t.same(await texts(side), ['hello', 'end', 'after the cut'])
  }
})

t.test('back and forth two hundred times: the rooms of the last page, each entered once, each word shown once', async t => {
  live.entered.clear()
  const pages: { [name: string]: string[] } = { a: ['1', '2', '3', '4', '5', '6'], b: ['4', '5', '6', '7', '8', '9'] }
  const { page, complaints } = await open(t, `/rooms?rooms=${pages.a}`)
  await shows(page, pages.a!)
  let words = 0
  const speak = () => live.say(String(words++ % 9 + 1))
  const heading = (name: string) => page.waitForFunction(rooms => document.querySelector('h1')?.textContent === rooms && !document.documentElement.hasAttribute('data-turbo-preview'), String(pages[name]))
  for (let visit = 0; visit < 200; visit++) {
    const name = visit % 2 === 0 ? 'b' : 'a'
    const speaking = Promise.all([speak(), speak()])
    // By turns: a link, with a preview of the page from the second time on, and the way back, which shows the page as it was left.
    if (visit % 4 === 3) await page.evaluate(() => history.back())
    else await page.evaluate(name => (window as any).Turbo.visit(document.querySelector<HTMLAnchorElement>(`#to_${name}`)!.href), name)
    await speaking
    if (visit % 5 !== 0 || visit % 4 >= 2) await heading(name)
    else await speak()
    if (visit % 20 === 19) {
      await heading(name)
      await shows(page, pages[name]!)
    }
  }
  await heading('a')
  await shows(page, pages.a!)
  await occupied(t, pages.a!.map(room => [room, 1]))
  for (const room of ['4', '5', '6']) t.equal(live.entered.get(room), 1, `room ${room} was never left`)
  t.same(complaints.filter(complaint => !/aborted/.test(complaint)), [], 'but for visits that gave way to the next')
})

t.test('what was heard for a page that has gone since is rendered by the page that came, and by it alone', async t => {
  const { page } = await open(t, '/rooms?rooms=swap')
  await shows(page, ['swap'])
  for (let times = 0; times < 10; times++) {
    await page.evaluate(() => addEventListener('turbo:before-stream-render', () => {
      // A frame before the stream would be rendered, the next page is here, as it was before the stream.
      const element = document.querySelector('turbo-stream-channel')!
      element.replaceWith(element.cloneNode())
    }, { once: true }))
    await live.say('swap')
    await live.say('swap')
    await shows(page, ['swap'])
  }
  t.equal(live.entered.get('swap'), 1)
})

t.test('an element follows its attributes, and says in them how it is', async t => {
  const { page } = await open(t, '/rooms?rooms=follow1')
  await live.say('follow1')
  await shows(page, ['follow1'])
  await live.say('follow2')
  await page.evaluate(() => {
    const element = document.querySelector('turbo-stream-channel')!
    element.setAttribute('channel', 'NobodysChannel')
    element.setAttribute('params', '{"room":"follow2"}')
    element.setAttribute('channel', 'RoomChannel')
    document.querySelector('ul')!.id = 'room_follow2'
  })
  await occupied(t, [['follow2', 1]])
  await page.waitForFunction('document.querySelector("turbo-stream-channel").hasAttribute("connected")')
  await live.say('follow2')
  await page.waitForFunction('document.querySelector("ul").textContent === "12"')
  await page.evaluate(() => {
    const element = document.querySelector('turbo-stream-channel')!
    element.removeAttribute('connected')
    element.removeAttribute('since')
  })
  await page.waitForFunction('document.querySelector("turbo-stream-channel").hasAttribute("connected")')
  await live.say('follow2')
  await page.waitForFunction('document.querySelector("ul").textContent === "123"')
  t.match(decodeURIComponent(await page.locator('turbo-stream-channel').getAttribute('since') ?? ''), /^\{"room_follow2":".+\.3"\}$/)
  t.equal(live.entered.get('follow2'), 1)
  await page.evaluate(() => document.querySelector('turbo-stream-channel')!.removeAttribute('channel'))
  await occupied(t, [])
  t.equal(await page.locator('turbo-stream-channel').getAttribute('connected'), null)
})

t.test('an element tells what happens to it, and its ancestors hear it', async t => {
  const { page, complaints } = await open(t, '/bare')
  await page.evaluate(() => {
    const told: unknown[] = (window as any).told = []
    for (const name of ['connected', 'disconnected', 'rejected', 'gap']) {
      document.addEventListener(`turbo-stream-channel:${name}`, event => told.push([name, (event.target as Element).id, (event as CustomEvent).detail]))
    }
    (window as any).put = (id: string, attributes: { [name: string]: string }) => {
      const element = document.createElement('turbo-stream-channel')
      for (const [name, value] of Object.entries({ id, channel: 'RoomChannel', ...attributes })) element.setAttribute(name, value)
      document.body.append(element)
    }
  })
  const put = async (id: string, attributes: object, events: number) => {
    await page.evaluate(([id, attributes]) => { (window as any).told.length = 0; (window as any).put(id, attributes) }, [id, attributes] as const)
    await page.waitForFunction(events => (window as any).told.length === events, events)
    return await page.evaluate('told')
  }
  t.same(await put('closed', { params: '{"room":"closed"}' }, 1), [['rejected', 'closed', { reason: null }]])
  t.same(await put('nobody', { channel: 'NobodysChannel' }, 1), [['rejected', 'nobody', { reason: 'unknown_channel' }]])
  t.same(await put('wrong', { params: '{room: 1}' }, 1), [['rejected', 'wrong', { reason: 'invalid_params' }]])
  const fresh = { reconnected: false, recovered: null, gap: false }
  t.same(await put('right', { params: '{"room":"told"}' }, 1), [['connected', 'right', fresh]])
  await live.app.cable.broadcast('room_lost', 1)
  const lost = { reconnected: false, recovered: false, gap: true }
  t.same(await put('lost', { params: '{"room":"lost"}', since: '%7B%22room_lost%22%3A%22other.1%22%7D' }, 2), [['connected', 'lost', lost], ['gap', 'lost', lost]])
  await page.evaluate('told.length = 0')
  cut()
  await page.waitForFunction('told.length === 4')
  const again = { reconnected: true, recovered: true, gap: false }
  t.same((await page.evaluate('told') as any[]).sort(), [
    ['connected', 'lost', again], ['connected', 'right', again],
    ['disconnected', 'lost', { willReconnect: true, reason: 'lost' }], ['disconnected', 'right', { willReconnect: true, reason: 'lost' }]
  ].sort())
  t.same(complaints, [])
})

t.test('after a gap an element that wants it has Turbo refresh the page, once, and others do not', async t => {
  await live.app.cable.broadcast('room_renewed', append('renewed', 'now'))
  const { page, complaints } = await open(t, '/rooms?rooms=other')
  await page.evaluate(() => {
    const visits: string[] = (window as any).visits = []
    document.addEventListener('turbo:visit', event => visits.push((event as CustomEvent).detail.action))
  })
  const put = (gap: string | null) => page.evaluate(gap => new Promise<void>(resolve => {
    const element = document.createElement('turbo-stream-channel')
    element.setAttribute('channel', 'RoomChannel')
    element.setAttribute('params', '{"room":"renewed"}')
    element.setAttribute('since', '%7B%22room_renewed%22%3A%22other.1%22%7D')
    if (gap !== null) element.setAttribute('gap', gap)
    element.addEventListener('turbo-stream-channel:gap', () => resolve())
    document.body.append(element)
  }), gap)
  await put(null)
  t.same(await page.evaluate('visits'), [])
  await put('refresh')
  await page.waitForFunction('visits.length > 0')
  t.same(await page.evaluate('visits'), ['replace'])
  t.same(complaints, [])
})

t.test('an element that goes before its socket opens, or is only moved, leaves nothing behind', async t => {
  const { page, complaints } = await open(t, '/bare')
  live.entered.clear()
  const connections = await page.evaluate(async () => {
    const put = (room: string) => {
      const element = document.createElement('turbo-stream-channel')
      element.setAttribute('channel', 'RoomChannel')
      element.setAttribute('params', JSON.stringify({ room }))
      document.body.append(element)
      return element
    }
    put('gone at once').remove()
    const gone = put('gone soon')
    const moved = put('moved')
    await null
    gone.remove()
    document.body.prepend(moved)
    let connections = 0
    await new Promise<void>(resolve => moved.addEventListener('turbo-stream-channel:connected', () => { connections++; resolve() }))
    for (let times = 0; times < 100; times++) document.body.append(moved)
    const never = document.createElement('turbo-stream-channel')
    never.setAttribute('channel', 'RoomChannel')
    await new Promise(resolve => setTimeout(resolve))
    return connections
  })
  t.equal(connections, 1, 'who moves does not even notice')
  await occupied(t, [['moved', 1]])
  t.same([...live.entered], [['moved', 1]])
  await page.evaluate(() => { document.body.innerHTML = '' })
  await occupied(t, [])
  t.same(complaints, [])
})

t.test('streams wait for a Turbo that loads later, in order', async t => {
  const { page } = await open(t, '/bare')
  await page.evaluate(() => {
    document.body.innerHTML = '<turbo-stream-channel channel="RoomChannel" params=\'{"room":"later"}\'></turbo-stream-channel><ul id="room_later"></ul><ul id="room_other"></ul>'
    ;(window as any).streamFrom('RoomChannel', { room: 'other' }, { received: (data: unknown) => { (window as any).last = data } })
  })
  await occupied(t, [['later', 1], ['other', 1]])
  for (const n of ['1', '2', '3']) {
    await live.app.cable.broadcast('room_later', append('later', n))
    await live.app.cable.broadcast('room_other', append('other', n))
  }
  await page.waitForFunction('window.last?.includes(">3<")')
  t.notOk(await page.locator('turbo-stream-channel').getAttribute('since').then(since => decodeURIComponent(since ?? '').includes('.3')), 'the page has not come that far')
  await page.evaluate('import("/turbo.js")')
  await page.waitForFunction('document.querySelector("#room_later").textContent + document.querySelector("#room_other").textContent === "123123"')
  await page.waitForFunction('decodeURIComponent(document.querySelector("turbo-stream-channel").getAttribute("since")).includes(".3")')
})

t.test('a Turbo that keeps to itself renders all the same', async t => {
  const { page, complaints } = await open(t, '/rooms?rooms=private')
  await shows(page, ['private'])
  await page.evaluate('delete window.Turbo')
  await live.say('private')
  await live.say('private')
  await shows(page, ['private'])
  t.same(complaints, [])
})

t.test('streamFrom renders until it is unsubscribed', async t => {
  const { page } = await open(t, '/rooms?rooms=imperative')
  await shows(page, ['imperative'])
  await page.evaluate(() => {
    document.body.insertAdjacentHTML('beforeend', '<ul id="room_from"></ul>')
    ;(window as any).stream = (window as any).streamFrom('RoomChannel', { room: 'from' }, { connected: () => { (window as any).isConnected = true } })
  })
  await page.waitForFunction('window.isConnected')
  await live.app.cable.broadcast('room_from', append('from', '1'))
  await page.waitForFunction('document.querySelector("#room_from").textContent === "1"')
  await live.app.cable.broadcast('room_from', append('from', '2'))
  await page.evaluate('stream.unsubscribe()')
  await occupied(t, [['imperative', 1]])
  t.match(await page.locator('#room_from').textContent(), /^12?$/)
})

t.test('what the page makes of a stream before it is rendered is what counts', async t => {
  const { page } = await open(t, '/rooms?rooms=before')
  await shows(page, ['before'])
  await page.evaluate(() => {
    document.addEventListener('turbo:before-stream-render', event => {
      const text = (event.target as Element).textContent
      const { newStream, render } = (event as any).detail
      if (newStream.innerHTML.includes('secret')) event.preventDefault()
      if (newStream.innerHTML.includes('loud')) (event as any).detail.render = async (stream: Element) => { await render(stream); document.title = 'LOUD' + text }
    })
  })
  for (const text of ['secret', 'loud', 'end']) await live.app.cable.broadcast('room_before', append('before', text))
  await page.waitForFunction('document.querySelector("#room_before").textContent === "loudend"')
  t.equal(await page.title(), 'LOUD')
  await page.waitForFunction('decodeURIComponent(document.querySelector("turbo-stream-channel").getAttribute("since")).includes(".3")')
})

t.test('a stream Turbo cannot render is reported, and those after it are rendered', async t => {
  const { page, complaints } = await open(t, '/rooms?rooms=broken')
  await shows(page, ['broken'])
  await live.app.cable.broadcast('room_broken', '<turbo-stream action="append" target="room_broken"><p>no template</p></turbo-stream>')
  await live.app.cable.broadcast('room_broken', '<turbo-stream action="dance" target="room_broken"><template></template></turbo-stream>')
  await live.say('broken')
  await shows(page, ['broken'])
  await page.waitForFunction('decodeURIComponent(document.querySelector("turbo-stream-channel").getAttribute("since")).includes(".3")')
  t.equal(complaints.length, 2)
})

t.test('requests to other origins do not carry the name of the page', async t => {
  const { page } = await open(t, '/rooms?rooms=names')
  t.same(await page.evaluate(() => {
    const ask = (url: string): string | undefined => {
      const fetchOptions = { headers: {} as { [name: string]: string } }
      document.dispatchEvent(new CustomEvent('turbo:before-fetch-request', { bubbles: true, detail: { url: new URL(url, location.href), fetchOptions } }))
      return fetchOptions.headers['x-cable-id']
    }
    return [ask('/x') === (window as any).cable.tab, ask('https://example.org/x')]
  }), [true, undefined])
})

t.test('a second copy of the client leaves the page to the first', async t => {
  const { page, complaints } = await open(t, '/rooms?rooms=twice')
  await page.evaluate('import("/cable.js?second").then(second => { window.second = second })')
  await live.say('twice')
  await shows(page, ['twice'])
  t.ok(await page.evaluate('second.cable.tab !== cable.tab && customElements.get("turbo-stream-channel") === TurboStreamChannelElement'))
  t.same(complaints, [])
})
