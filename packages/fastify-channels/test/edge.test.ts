// The guarded edge: what nobody expected ends one connection, and no other.
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import t from 'tap'
import { kConnections } from '../src/plugin.ts'

t.test('a failure of our own ends its connection with 1011, is logged, and leaves the others alone', async t => {
  const lines: any[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: (line: string) => lines.push(JSON.parse(line)) } } })
  await app.register(channels)
  t.teardown(() => app.close())
  const bystander = await connect(app)
  const victim = await connect(app)
  const [, connection] = [...app[kConnections]]
  connection!.receive = () => { throw new Error('broken') }
  victim.send({ command: 'subscribe', channel: 'Any' })
  t.same(await victim.closed, { code: 1011, reason: 'error' })
  t.match(lines, [{ msg: 'a connection failed', err: { message: 'broken' } }])
  t.match(await bystander.subscribe('Any'), { type: 'reject_subscription', reason: 'unknown_channel' })
})

t.test('health says what this process holds', async t => {
  const app = Fastify()
  await app.register(channels, { channels: { RoomChannel: class extends Channel { subscribed () { this.streamFrom('room'); this.streamFrom('lobby') } } } })
  t.teardown(() => app.close())
  const nothing = { ok: true, backend: 'in-process', connections: 0, subscriptions: 0, streams: 0 }
  t.match(app.cable.health(), nothing)
  const ws = await connect(app)
  await ws.subscribe('RoomChannel')
  t.match(app.cable.health(), { ...nothing, connections: 1, subscriptions: 1, streams: 2 })
  await ws.close()
  t.match(app.cable.health(), nothing)
  await app.close()
  t.equal(app.cable.health().ok, false)
})
