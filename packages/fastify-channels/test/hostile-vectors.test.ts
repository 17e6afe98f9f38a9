// The vectors of the protocol, said to a real server: what they call refused it refuses, and what they call the same is one subscription.
import { createRequire } from 'node:module'
import tap from 'tap'
import { Channel } from 'fastify-channels'
import { start } from './corpus/app.ts'
import { Peer } from './corpus/raw.ts'

const vectors = createRequire(import.meta.url)('@fastify-channels/protocol/vectors.json')

tap.test('each command of the vectors gets the answer of its kind', async t => {
  const { app, port } = await start({ channels: {}, limits: { violations: false, commandRate: false } })
  const peer = await Peer.open(port)
  t.teardown(() => { peer.destroy(); return app.close() })
  for (const { name, text, expect } of vectors.commands) {
    peer.say(text, '{"command":"fence"}')
    const { command, channel, params, refused: reason, id } = expect
    const refused = (reason: string) => id === null ? { type: 'error', reason } : { type: 'reply', id, status: 'error', reason }
    if (reason !== undefined) t.same(await peer.nextText(), refused(reason), name)
    if (command === 'subscribe') t.same(await peer.nextText(), { type: 'reject_subscription', channel, params, reason: 'unknown_channel' }, name)
    if (command === 'message') t.same(await peer.nextText(), refused('not_subscribed'), name)
    t.same(await peer.nextText(), { type: 'error', reason: 'unknown_command' }, `${name}: and nothing more`)
  }
})

tap.test('what the vectors call the same is one subscription, and what they call different is two', async t => {
  let subscribed = 0
  class Counted extends Channel {
    override subscribed () { subscribed++ }
  }
  const names = new Set<string>(vectors.identities.flatMap(({ a, b }: any) => [a.channel, b.channel]))
  const { app, port } = await start({ channels: Object.fromEntries([...names].map(name => [name, Counted])), limits: { commandRate: false } })
  t.teardown(() => app.close())
  for (const { name, same, a, b } of vectors.identities) {
    subscribed = 0
    const peer = await Peer.open(port)
    for (const { channel, params } of [a, b]) {
      peer.say(`{"command":"subscribe","channel":${JSON.stringify(channel)},"params":${params}}`)
      t.equal((await peer.nextText()).type, 'confirm_subscription', name)
    }
    t.equal(subscribed, same ? 1 : 2, name)
    peer.destroy()
  }
})

tap.test('subprotocols are chosen as the vectors say', async t => {
  const { app, port } = await start()
  t.teardown(() => app.close())
  for (const { offered, chosen } of vectors.subprotocols) {
    const peer = await Peer.open(port, { 'Sec-WebSocket-Protocol': offered.length === 0 ? null : offered.join(', ') })
    t.equal(/^sec-websocket-protocol: (.*)$/im.exec(peer.head)?.[1] ?? '', chosen, JSON.stringify(offered))
    peer.destroy()
  }
})
