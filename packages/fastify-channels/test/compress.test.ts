// Compression once per broadcast: who gets it, who does not, and that it is what ws itself would have written.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import websocket from '@fastify/websocket'
import channels, { Channel, websocketOptions } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import t from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'

class RoomChannel extends Channel {
  static actions = {}
  subscribed () { this.streamFrom('room') }
}

const html = '<li class="message"><b>Ana</b> said something</li>'.repeat(60)

async function setting (t: Test, options: FastifyChannelsOptions = {}) {
  const app = Fastify()
  await app.register(channels, { channels: { RoomChannel }, compress: true, ...options })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return {
    app,
    /** A subscribed peer, the bytes its socket took, and the texts it heard. */
    async peer (client: ClientOptions, protocol: string | string[] = 'channels-v1') {
      const ws = new WebSocket(`ws://127.0.0.1:${port}/cable`, protocol, client)
      const texts: string[] = []
      ws.on('message', data => texts.push(data.toString()))
      await once(ws, 'open')
      ws.send('{"command":"subscribe","channel":"RoomChannel"}')
      await once(ws, 'message')
      texts.length = 0
      const raw = (ws as unknown as { _socket: { bytesRead: number } })._socket
      const before = raw.bytesRead
      return { ws, texts, get bytes () { return raw.bytesRead - before }, next: async () => { while (texts.length === 0) await once(ws, 'message'); return JSON.parse(texts.shift()!) } }
    }
  }
}

t.test('who negotiated it gets one deflated frame, who did not the plain one, and both read the same', async t => {
  const { app, peer } = await setting(t)
  const [able, twin, plain, guide] = [await peer({}), await peer({}), await peer({ perMessageDeflate: false }), await peer({}, [])]
  await app.cable.broadcast('room', { html })
  for (const each of [able, twin, plain, guide]) t.same((await each.next()).data, { html })
  t.equal(able.bytes, twin.bytes)
  t.ok(able.bytes < plain.bytes * 0.3, `${able.bytes} of ${plain.bytes} bytes`)
  t.ok(guide.bytes < plain.bytes * 0.3)
})

t.test('no frame needs the one before it: a peer that came late reads at once', async t => {
  const { app, peer } = await setting(t)
  const early = await peer({})
  await app.cable.broadcast('room', { html, n: 1 })
  t.equal((await early.next()).data.n, 1)
  const late = await peer({})
  for (const n of [2, 3]) {
    await app.cable.broadcast('room', { html, n })
    t.equal((await early.next()).data.n, n)
    t.equal((await late.next()).data.n, n)
  }
})

t.test('a peer that asked for a smaller window gets the plain frame', async t => {
  const { app, peer } = await setting(t)
  const small = await peer({ perMessageDeflate: { serverMaxWindowBits: 9 } })
  t.equal((small.ws as any)._extensions['permessage-deflate'].params.server_max_window_bits, 9, 'it was negotiated')
  await app.cable.broadcast('room', { html })
  t.same((await small.next()).data, { html })
  t.ok(small.bytes > html.length)
})

t.test('small frames stay plain, and so does what deflating does not shorten', async t => {
  const { app, peer } = await setting(t, { compress: { threshold: 100 } })
  const [able, plain] = [await peer({}), await peer({ perMessageDeflate: false })]
  const noise = Array.from({ length: 30 }, (_, index) => String.fromCharCode(0x80 + (index * 7919 + index ** 3) % 1900)).join('')
  for (const data of [{ n: 1 }, { noise }, { html }]) {
    t.equal(able.bytes, plain.bytes, 'byte for byte so far')
    await app.cable.broadcast('room', data)
    for (const each of [able, plain]) t.same((await each.next()).data, data)
  }
  t.ok(able.bytes < html.length)
})

t.test('it is off by default, and refused where it could be a bomb or could not work', async t => {
  const { app, peer } = await setting(t, { compress: false })
  const able = await peer({})
  t.equal(able.ws.extensions, '')
  await app.cable.broadcast('room', { html })
  t.same((await able.next()).data, { html })
  const boot = async (options: object, own?: object) => {
    const app = Fastify()
    if (own !== undefined) await app.register(websocket, own)
    await app.register(channels, options)
    await app.close()
  }
  await t.rejects(boot({ compress: true, limits: { maxPayload: 2 ** 21 } }), { message: /maxPayload of at most 1 MiB/ })
  await t.rejects(boot({ compress: { threshold: -1 } }), { message: /compress is true, false, or \{ threshold \}/ })
  await t.rejects(boot({ compress: true }, websocketOptions()), { message: /websocketOptions\(limits, compress\)/ })
  await t.resolves(boot({ compress: true }, websocketOptions({}, true)))
})
