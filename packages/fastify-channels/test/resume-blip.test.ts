// The blip: many clients on real sockets, each away for a moment while broadcasts go on; everybody gets everything, in order.
// In full, 1,000 clients that are away for 2 s each during a minute: BLIP_CLIENTS=1000 BLIP_BROADCASTS=120 BLIP_INTERVAL=500 npx tap --timeout=600 packages/fastify-channels/test/resume-blip.test.ts
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import t from 'tap'
import type { Tally } from './resume-crowd.ts'

const clients = Number(process.env.BLIP_CLIENTS ?? 60)
const broadcasts = Number(process.env.BLIP_BROADCASTS ?? 40)
const interval = Number(process.env.BLIP_INTERVAL ?? 25)
const crowds = 2

class RoomChannel extends Channel {
  static override actions = {}
  override subscribed () { this.streamFrom('room') }
}

t.setTimeout(600_000)
t.test(`${clients} clients, each away while four of ${broadcasts} broadcasts are said`, { timeout: 600_000 }, async t => {
  const app = Fastify()
  await app.register(channels, { channels: { RoomChannel }, client: false })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/cable`
  // Nothing of the test runner's: a crowd only counts.
  const execArgv = process.execArgv.filter(arg => !arg.includes('tapjs'))
  const children = Array.from({ length: crowds }, () => fork(new URL('resume-crowd.ts', import.meta.url), { execArgv }))
  t.teardown(() => { for (const child of children) child.kill() })
  const each = clients / crowds
  for (const child of children) child.send({ url, count: each, total: broadcasts })
  for (const [message] of await Promise.all(children.map(child => once(child, 'message')))) t.equal(message, 'connected')
  const tallies = Promise.all(children.map(async child => (await once(child, 'message'))[0] as Tally))
  const begin = performance.now()
  for (let n = 1; n <= broadcasts; n++) {
    await app.cable.broadcast('room', n)
    for (const child of children) child.send({ said: n })
    await pause(interval)
  }
  const spent = performance.now() - begin
  const sum = (await tallies).reduce((a, b) => ({ delivered: a.delivered + b.delivered, faults: a.faults + b.faults, gaps: a.gaps + b.gaps, back: a.back + b.back }))
  t.same(sum, { delivered: clients * broadcasts, faults: 0, gaps: 0, back: clients }, 'each of them, once, in order, and each was away')
  t.comment(`${sum.delivered} of ${clients * broadcasts} delivered; broadcasts for ${Math.round(spent)} ms, the last one arrived after ${Math.round(performance.now() - begin)} ms`)
})
