// What turboStream writes, as a parser reads it; and what it refuses to write.
import { fileURLToPath } from 'node:url'
import view from '@fastify/view'
import { Eta } from 'eta'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import { createTurboStream, Html, html, InvalidTurboStream, raw, TURBO_STREAM_MIME, turboStream, turboStreamChannel, wantsTurboStream } from '../src/index.ts'
import type { Target } from '../src/index.ts'
import { read } from './document.ts'

interface Message { id: number, text: string }

const MessageView = ({ message }: { message: Message }) => html`<li id="message-${message.id}">${message.text}</li>`
const message = { id: 7, text: 'Ana: <hello>' }
const views = fileURLToPath(new URL('views', import.meta.url))

t.test('every action is written in the words that Turbo knows', async t => {
  for (const action of ['append', 'prepend', 'before', 'after', 'replace', 'update'] as const) {
    t.equal(turboStream[action]('messages', '<li>hello</li>'), `<turbo-stream action="${action}" target="messages"><template><li>hello</li></template></turbo-stream>`)
  }
  t.equal(turboStream.remove('message-7'), '<turbo-stream action="remove" target="message-7"></turbo-stream>')
  t.equal(turboStream.refresh(), '<turbo-stream action="refresh"></turbo-stream>')
})

t.test('morph is a replace with a method, because no released Turbo knows an action called morph', async t => {
  t.equal(turboStream.morph('cart', '<p>2</p>'), '<turbo-stream action="replace" target="cart" method="morph"><template><p>2</p></template></turbo-stream>')
  t.equal(turboStream.morph({ targets: '.cart' }, ''), '<turbo-stream action="replace" targets=".cart" method="morph"><template></template></turbo-stream>')
  t.equal(turboStream.replace({ target: 'cart', method: 'morph' }, '<p>2</p>'), turboStream.morph('cart', '<p>2</p>'))
  t.equal(turboStream.update({ target: 'cart', method: 'morph' }, 'x'), '<turbo-stream action="update" target="cart" method="morph"><template>x</template></turbo-stream>')
})

t.test('a target is an id, a number, or a selector for many', async t => {
  t.match(turboStream.remove(42), 'target="42"')
  t.match(turboStream.remove(0), 'target="0"')
  t.match(turboStream.remove({ target: 'x' }), ' target="x"')
  t.equal(read(turboStream.remove({ targets: 'li[data-a="b"] > a' }))[0]!.attributes.targets, 'li[data-a="b"] > a')
})

t.test('a refresh names the request that caused it', async t => {
  t.equal(turboStream.refresh({ requestId: 'a"b', method: 'morph', scroll: 'preserve' }), '<turbo-stream action="refresh" request-id="a&#34;b" method="morph" scroll="preserve"></turbo-stream>')
  t.equal(turboStream.refresh({ requestId: undefined }), turboStream.refresh())
  t.throws(() => turboStream.refresh({ requestId: ['a'] as never }), { message: 'turboStream.refresh: requestId is an array, not a string' })
})

t.test('content is HTML as it is, an html template, or a component with its arguments', async t => {
  const escaped = '<li id="message-7">Ana: &#60;hello&#62;</li>'
  for (const stream of [
    turboStream.append('messages', escaped),
    turboStream.append('messages', raw(escaped)),
    turboStream.append('messages', MessageView({ message })),
    turboStream.append('messages', MessageView, { message }),
    turboStream.append('messages', ({ id, text }: Message, name: string) => html`<li id="${name}-${id}">${text}</li>`, message, 'message'),
    turboStream.append('messages', () => escaped),
    await turboStream.append('messages', async (props: { message: Message }) => MessageView(props), { message })
  ]) {
    t.equal(stream, `<turbo-stream action="append" target="messages"><template>${escaped}</template></turbo-stream>`)
  }
})

t.test('several streams are one, awaited where one of them has to be', async t => {
  const [first, second] = [turboStream.remove('a'), turboStream.update('b', 'c')]
  t.equal(turboStream.all(first, second), first + second)
  t.equal(turboStream.all(), '')
  t.equal(await turboStream.all(first, turboStream.update('b', async () => 'c')), first + second)
})

t.test("a view of the app's own engine renders an update as it renders the page", async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const turboStream = createTurboStream(app)
  await app.register(view, { engine: { eta: new Eta() }, templates: views })
  app.get('/', (_request, reply) => reply.view('message.eta', { message }))

  const { body } = await app.inject('/')
  t.match(body, 'Ana: &lt;hello&gt;')
  t.equal(await turboStream.append('messages', 'message.eta', { message }), `<turbo-stream action="append" target="messages"><template>${body}</template></turbo-stream>`)
  t.equal(turboStream.append('messages', MessageView, { message }), turboStream.append('messages', String(MessageView({ message }))), 'components and HTML stay as they were')
})

t.test('a view that cannot be rendered is said so', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const bare = createTurboStream(app)
  await t.rejects(bare.append('messages', 'message.eta', {}), { message: 'turboStream.append cannot render the view "message.eta": the app has no view(), register @fastify/view first' })
  await t.rejects((turboStream as typeof bare).append('messages', 'message.eta', {}), { message: 'turboStream.append cannot render the view "message.eta": use createTurboStream(app)' })

  await app.register(view, { engine: { eta: new Eta() }, templates: views, layout: 'layout.eta' })
  await t.rejects(bare.append('messages', 'message.eta', { message }), { message: 'turboStream.append: the view "message.eta" is a whole page; an update needs a view without the layout' })
  await t.rejects(bare.append('messages', 'nowhere.eta', {}), 'what the engine says')
  await app.register(view, { engine: { eta: new Eta() }, templates: views, propertyName: 'partial' })
  t.match(await createTurboStream({ view: (app as any).partial }).append('messages', 'message.eta', { message }), '<template><li id="message-7">Ana: &lt;hello&gt;</li></template>')

  const other = createTurboStream({ view: (page, data) => html`<i>${page} ${JSON.stringify(data)}</i>` })
  t.match(await other.update('x', 'a', { b: '<' }), '<i>a {&#34;b&#34;:&#34;&#60;&#34;}</i>', 'any renderer will do')
  await t.rejects(createTurboStream({ view: () => null as never }).update('x', 'a', {}), { message: 'turboStream.update: what the view "a" gave is null, not HTML' })
})

t.test('a target that cannot be one is refused by its name', async t => {
  const refused: Array<[unknown, string]> = [
    [null, 'turboStream.append needs the id of an element as its target, not null'],
    [undefined, 'turboStream.append needs the id of an element as its target, not undefined'],
    ['', 'turboStream.append needs the id of an element as its target, not an empty string'],
    [NaN, 'turboStream.append needs the id of an element as its target, not NaN'],
    [{ id: 7 }, 'turboStream.append needs the id of an element as its target, not undefined'],
    [{ target: message }, 'turboStream.append needs the id of an element as its target, not an object'],
    [true, 'turboStream.append needs the id of an element as its target, not a boolean'],
    [Promise.resolve('x'), 'turboStream.append needs the id of an element as its target, not undefined'],
    [{ targets: ' ' }, 'turboStream.append needs a CSS selector as its targets, not a string'],
    [{ targets: null }, 'turboStream.append needs a CSS selector as its targets, not null'],
    [{ target: 'a', targets: 'b' }, 'turboStream.append has a target and targets: one of them is enough'],
    [{ target: 'a', method: 'morph' }, "turboStream.append knows no such method; 'morph' is one of replace and update"]
  ]
  for (const [target, message] of refused) {
    t.throws(() => turboStream.append(target as Target, 'x'), { name: 'InvalidTurboStream', code: 'FST_CHANNELS_INVALID_TURBO_STREAM', message })
  }
  t.throws(() => turboStream.morph(null as never, 'x'), { message: 'turboStream.morph needs the id of an element as its target, not null' })
  t.throws(() => turboStream.replace({ target: 'a', method: 'constructor' as never }, 'x'), { message: /no such method/ })
  t.throws(() => turboStream.remove({ target: 'a', method: 'morph' }), { message: /no such method/ })
})

t.test('content that is no HTML, or not there yet, is refused by its name', async t => {
  const refused: Array<[unknown[], string]> = [
    [[], 'turboStream.append: its content is undefined, not HTML'],
    [[null], 'turboStream.append: its content is null, not HTML'],
    [[42], 'turboStream.append: its content is a number, not HTML'],
    [[['<li>']], 'turboStream.append: its content is an array, not HTML'],
    [[message], 'turboStream.append: its content is an object, not HTML'],
    [[Promise.resolve('x')], 'turboStream.append: its content is a promise, not HTML: await it first'],
    [[html`x`, {}], 'turboStream.append takes arguments for a component or a view, not for an object'],
    [[function Card () {}], 'turboStream.append: what Card() gave is undefined, not HTML'],
    [[() => ({ type: 'li' })], 'turboStream.append: what the component gave is an object, not HTML']
  ]
  for (const [content, message] of refused) {
    t.throws(() => turboStream.append('messages', ...content as [string]), { code: 'FST_CHANNELS_INVALID_TURBO_STREAM', message })
  }
  await t.rejects(turboStream.append('messages', async () => null as never), { message: 'turboStream.append: what the component gave is null, not HTML' })
  t.throws(() => turboStream.all('a', null as never), { message: 'turboStream.all joins streams, not null' })
  t.throws(() => raw(Promise.resolve('x') as never), { message: 'raw() takes a string of HTML, not a promise' })
})

t.test('content that would end the update early is refused, however it is spelled', async t => {
  for (const end of ['</template>', '</TEMPLATE>', '</tEmPlAtE >', '</template\n>', '</template/>', '</template', '<template></template>', '<a title="</template>">']) {
    const message = /contains "<\/template", which would end the update early/
    t.throws(() => turboStream.append('messages', end), { message })
    t.throws(() => turboStream.append('messages', raw(end)), { message })
    t.throws(() => turboStream.append('messages', () => end), { message })
    await t.rejects(turboStream.append('messages', async () => end), { message })
    t.equal(read(turboStream.append('messages', html`<p>${end}</p>`))[0]!.text, end, 'as text it is only text')
  }
})

t.test('a promise is never sent as if it were a stream', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const message = 'turboStream.update gave a promise, and a string is needed: await it first'
  const late = () => turboStream.update('x', async () => { throw new Error('never awaited') })
  t.throws(() => JSON.stringify({ data: late() }), { message })
  t.throws(() => late() + turboStream.remove('x'), { message })
  t.throws(() => `${late()}`, { message })
  t.throws(() => late().toString(), { message })
  t.throws(() => JSON.stringify(turboStream.all('', late())), { message: 'turboStream.all gave a promise, and a string is needed: await it first' })

  app.post('/', (_request, reply) => reply.send(late()))
  app.post('/awaited', async (_request, reply) => reply.type(TURBO_STREAM_MIME).send(await turboStream.update('x', async () => 'y')))
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 500)
  const { headers, body } = await app.inject({ method: 'POST', url: '/awaited' })
  t.equal(headers['content-type'], TURBO_STREAM_MIME)
  t.equal(body, turboStream.update('x', 'y'))
})

t.test('a template escapes every value but HTML', async t => {
  t.equal(String(html`<p title="${'"\'&'}">${'<b>'}${html`<b>${'&'}</b>`}${[1, html`<i>`, [null, '<']]}${null}${undefined}${false}${0}${true}${9n}</p>`),
    '<p title="&#34;&#39;&#38;">&#60;b&#62;<b>&#38;</b>1<i>&#60;0true9</p>')
  t.equal(String(html`${new URL('https://example.org/?a=1&b=2')}`), 'https://example.org/?a=1&#38;b=2')
  t.equal(JSON.stringify(html`<b>`), '"<b>"', 'HTML can be broadcast')
  t.ok(html`` instanceof Html)
})

t.test('a template refuses a value without words of its own', async t => {
  const value = (what: unknown) => () => html`<p>${what}</p>`
  t.throws(value(Promise.resolve('x')), { message: 'a promise cannot be a value in html`…`: await it first' })
  t.throws(value(turboStream.update('x', async () => '')), { message: /await it first/ })
  t.throws(value({ text: 'x' }), { message: 'an object cannot be a value in html`…`' })
  t.throws(value(Object.create(null)), { message: 'an object cannot be a value in html`…`' })
  t.throws(value(() => 'x'), { message: 'a function cannot be a value in html`…`' })
  t.throws(value(Symbol('x')), { message: 'a symbol cannot be a value in html`…`' })
})

t.test('a template refuses a place where escaping does not help', async t => {
  const x = 'x'
  t.throws(() => html`<p>${x}</p><a href=${x}>`, new InvalidTurboStream('value 2 of html`<p>x</p><a href=…` stands in an attribute without quotes'))
  t.throws(() => html`<a title="a > b" href = ${x}>`, { message: /without quotes/ })
  t.throws(() => html`<a onclick="go('${x}')">`, { message: /an event handler/ })
  t.throws(() => html`<a title='' ONCLICK = '${x}'>`, { message: /an event handler/ })
  t.throws(() => html`<script>let a = "${x}"</script>`, { message: /a script or a style/ })
  t.throws(() => html`<style media="all">p { color: ${x} }</style>`, { message: /a script or a style/ })
  t.equal(String(html`<a href="/?q=${x}" ${html`hidden`} data-on="${x}">1 + 1 = ${x}, ${'on'}="${x}"</a><script src="${x}"></script>${x}`),
    '<a href="/?q=x" hidden data-on="x">1 + 1 = x, on="x"</a><script src="x"></script>x')
})

t.test('the element that listens carries its channel, its params and its place', async t => {
  t.equal(String(turboStreamChannel('ChatChannel')), '<turbo-stream-channel channel="ChatChannel" params="{}"></turbo-stream-channel>')
  t.equal(String(turboStreamChannel('ChatChannel', { room_id: 42 }, { since: '%7B%22chat_42%22%3A%22k3f9.20%22%7D' })),
    '<turbo-stream-channel channel="ChatChannel" params="{&#34;room_id&#34;:42}" since="%7B%22chat_42%22%3A%22k3f9.20%22%7D"></turbo-stream-channel>')
  t.equal(String(turboStreamChannel('ChatChannel', {}, { gap: 'refresh' })), '<turbo-stream-channel channel="ChatChannel" params="{}" gap="refresh"></turbo-stream-channel>')
  t.throws(() => turboStreamChannel('ChatChannel', {}, { gap: 'reload' as never }), { message: "turboStreamChannel: gap is a string, not 'refresh'" })
  t.equal(String(turboStreamChannel('ChatChannel', {}, { since: null })), String(turboStreamChannel('ChatChannel')), 'nobody knows a place')
  t.match(String(html`<main>${turboStreamChannel('ChatChannel')}</main>`), '<main><turbo-stream-channel', 'it is HTML already')

  const params = { "' onmouseover='alert(1)": '"><img src=x onerror=alert(1)>', nested: [{ a: '&quot;</turbo-stream-channel>' }, null, 1.5] }
  const [element, ...rest] = read(String(turboStreamChannel('A"B', params)))
  t.same(Object.keys(element!.attributes), ['channel', 'params'])
  t.same(JSON.parse(element!.attributes.params!), params)
  t.equal(element!.attributes.channel, 'A"B')
  t.same(rest, [])

  t.throws(() => turboStreamChannel(''), { message: 'turboStreamChannel needs the name of a channel, not an empty string' })
  t.throws(() => turboStreamChannel(null as never), { message: 'turboStreamChannel needs the name of a channel, not null' })
  for (const [params, what] of [[null, 'null'], [[1], 'an array'], ['{}', 'a string'], [() => {}, 'a function'], [Promise.resolve(), 'a promise']] as const) {
    t.throws(() => turboStreamChannel('A', params as never), { message: `turboStreamChannel: params is ${what}, not an object` })
  }
  t.throws(() => turboStreamChannel('A', {}, { since: {} as never }), { message: 'turboStreamChannel: since is an object, not what app.cable.snapshot gave' })
})

t.test('a request wants turbo-streams when it names them and does not like pages more', async t => {
  const wants = (accept?: string) => wantsTurboStream({ headers: { accept } })
  for (const accept of [
    'text/vnd.turbo-stream.html, text/html, application/xhtml+xml',
    'text/html, TEXT/VND.turbo-stream.HTML',
    ' text/vnd.turbo-stream.html ; charset=utf-8 ; Q=0.9 , text/html;q=0.9',
    'text/vnd.turbo-stream.html;q=0.001',
    'text/vnd.turbo-stream.html;title="a;q=0, b\\"";q=1.000'
  ]) t.ok(wants(accept), accept)
  for (const accept of [
    undefined, '', ',', '*/*', 'text/*', 'text/html',
    'text/vnd.turbo-stream.html;q=0', 'text/vnd.turbo-stream.html ; q = 0.000',
    'text/vnd.turbo-stream.html;q=0.5, text/html',
    'text/vnd.turbo-stream.html;q=-1', 'text/vnd.turbo-stream.html;q=2', 'text/vnd.turbo-stream.html;q=',
    'text/vnd.turbo-stream.html2', 'x-text/vnd.turbo-stream.html',
    'text/plain;title="text/vnd.turbo-stream.html, text/vnd.turbo-stream.html', 'text/plain;a="\\'
  ]) t.notOk(wants(accept), accept ?? 'no header')
})

t.test('100,000 strings come out of a parser as they went in: as a target, as text, as an attribute, and every fifth as params', async t => {
  const trap = fc.constantFrom('"', "'", '<', '>', '&', '=', '/', '\\', '`', '\r', '\n', '\r\n', '\0', '\u2028', '<!--', '-->', '</template>', '</TEMPLATE ', '</turbo-stream>', '<script>', '&lt;', '&#60', '&amp', '${', 'javascript:', ' onerror=', '<![CDATA[', ']]>', '\uFEFF', '\u00A0', '𝄞')
  const text = fc.array(fc.oneof(trap, fc.integer({ max: 0x10FFFF, min: 0 }).map(code => String.fromCodePoint(code))), { minLength: 1, maxLength: 12 }).map(parts => parts.join(''))
  // HTML cannot write NUL, nor a surrogate alone be sent: only the first is ours to replace.
  const seen = (string: string) => string.replaceAll('\0', '\uFFFD')
  let count = 0
  fc.assert(fc.property(fc.array(text, { minLength: 25, maxLength: 25 }), strings => {
    const streams = strings.map(string => turboStream.append(string, MessageView, { message: { id: string as never, text: string } }))
    const elements = read(turboStream.all(...streams))
    const listening = strings.slice(0, 5)
    const channels = read(listening.map(string => turboStreamChannel(string, { [string]: string }, { since: string })).join(''))
    count += strings.length
    return elements.length === 25 && strings.every((string, index) => {
      const { name, attributes, children: [template] } = elements[index]!
      const [item, ...more] = template!.children
      return name === 'turbo-stream' && attributes.target === seen(string) && Object.keys(attributes).length === 2 &&
        item!.name === 'li' && item!.text === seen(string) && item!.attributes.id === `message-${seen(string)}` && item!.children.length === 0 && more.length === 0
    }) && channels.length === 5 && listening.every((string, index) => {
      const { channel, params, since } = channels[index]!.attributes
      return channel === seen(string) && since === seen(string) && JSON.parse(params!)[string] === string
    })
  }), { numRuns: 4000 })
  t.equal(count, 100_000)
})
