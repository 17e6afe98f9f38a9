// Hostile bytes on an open line: each ends it with its code or is answered, no subscription outlives it, and nobody else notices.
import { deflateRawSync } from 'node:zlib'
import tap from 'tap'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import channels, { websocketOptions } from 'fastify-channels'
import { alarms, FreeChannel, isPrototypeClean, ran, start, until, watchProcess } from './corpus/app.ts'
import { endings, harmless } from './corpus/bytes.ts'
import { frame, opcodes, Peer } from './corpus/raw.ts'

const subscribe = '{"command":"subscribe","channel":"FreeChannel"}'

async function subscribed (port: number): Promise<Peer> {
  const peer = await Peer.open(port)
  peer.say(subscribe)
  await peer.nextText()
  return peer
}

tap.test('bytes that break the wire end the line with their code', async t => {
  const { app, log, port, connections } = await start()
  const watch = watchProcess()
  const bystander = await subscribed(port)
  t.teardown(() => { watch.stop(); bystander.destroy(); return app.close() })
  for (const { row, about, write, code } of endings) {
    await t.test(`${row}: ${about}`, async t => {
      ran.clear()
      const peer = await subscribed(port)
      peer.write(write)
      t.same(await peer.ended(), { code })
      await until(() => connections() === 1 && ran.get('FreeChannel.unsubscribed') === 1)
      bystander.say(subscribe)
      t.match(await bystander.nextText(), { type: 'confirm_subscription' }, 'somebody else is served')
      t.equal(bystander.heard.length, 0, 'and heard nothing of it')
      t.equal(ran.get('FreeChannel.unsubscribed'), 1, 'unsubscribed() ran once')
      t.same(watch.faults.splice(0), [], 'the process saw nothing')
    })
  }
  t.same(alarms(log), [], 'nobody was woken')
  t.ok(isPrototypeClean())
})

tap.test('bytes that are odd and allowed are answered, and the line stays open', async t => {
  const { app, port } = await start()
  t.teardown(() => app.close())
  for (const { row, about, write, opcode, times } of harmless) {
    const peer = await subscribed(port)
    peer.write(write)
    for (let n = 0; n < times; n++) {
      let heard = await peer.next()
      // The ping between the parts has an answer of its own.
      if (opcode === opcodes.text && heard.opcode === opcodes.pong) heard = await peer.next()
      t.equal(heard.opcode, opcode, `${row}: ${about}`)
    }
    peer.say(subscribe)
    t.match(await peer.nextText(), { type: 'confirm_subscription' }, `${row}: and the line stays open`)
    peer.destroy()
  }
})

tap.test('a peer that hangs up without a close frame is unsubscribed at once, once', async t => {
  const { app, port, connections } = await start()
  t.teardown(() => app.close())
  for (const leave of [(peer: Peer) => peer.socket.end(), (peer: Peer) => peer.reset(), (peer: Peer) => peer.destroy()]) {
    ran.clear()
    const peer = await subscribed(port)
    leave(peer)
    await until(() => connections() === 0)
    await until(() => (ran.get('FreeChannel.unsubscribed') ?? 0) > 0)
    await peer.ended()
    t.equal(ran.get('FreeChannel.unsubscribed'), 1)
  }
})

tap.test('words cut into single bytes are heard all the same', async t => {
  const { app, port } = await start()
  t.teardown(() => app.close())
  const peer = await Peer.open(port)
  for (const byte of frame(subscribe)) {
    peer.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.match(await peer.nextText(), { type: 'confirm_subscription' })
  peer.destroy()
})

tap.test('a bomb is defused: compressed bytes count at their full size, and off is off', async t => {
  const bomb = deflateRawSync(Buffer.alloc(20 * 1024 * 1024, 'a'))
  const { app, port } = await start()
  t.teardown(() => app.close())
  const offered = await Peer.open(port, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
  offered.write(frame(bomb, { reserved: 0x40 }))
  t.same(await offered.ended(), { code: 1002 })

  // An app whose own @fastify/websocket compresses.
  const log: Array<{ level: number }> = []
  const compressing = Fastify({ logger: { stream: { write: (line: string) => { log.push(JSON.parse(line)) } } } })
  const options = websocketOptions()
  await compressing.register(websocket, { ...options, options: { ...options.options, perMessageDeflate: true } })
  await compressing.register(channels, { channels: { FreeChannel }, client: false })
  await compressing.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => compressing.close())
  const peer = await Peer.open((compressing.server.address() as { port: number }).port, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
  t.match(peer.head, /permessage-deflate/, 'compression was agreed on')
  const before = process.memoryUsage.rss()
  peer.write(frame(bomb, { reserved: 0x40 }))
  t.same(await peer.ended(), { code: 1009 })
  t.ok(process.memoryUsage.rss() - before < 20 * 1024 * 1024, 'the bomb was never held whole')
  t.same(log.filter(({ level }) => level >= 50), [])
})
