// One process of the deploy tests: an app with rooms, on Redis or alone. Counts what happens in it, does what the test asks, and ends by itself.
import process from 'node:process'
import { setImmediate as turn } from 'node:timers/promises'
import fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import channels, { Channel } from 'fastify-channels'
import { redisCable } from '@fastify-channels/redis'
import { gate } from './setting.ts'
import type { Gate } from './setting.ts'

/** What happened in a process so far. */
export interface Counts {
  /** Handshakes that came, whatever became of them. */
  handshakes: number
  /** How often a session was looked up. */
  sessions: number
  /** Calls of `subscribed()` that completed. */
  begins: number
  /** Calls of `unsubscribed()`, by their reasons. */
  ends: { [reason: string]: number }
}

/** What a process says last, when its app is closed. */
export interface Farewell extends Counts {
  /** Milliseconds the close took. */
  readonly took: number
  /** What still keeps the process alive. */
  readonly resources: readonly string[]
}

type Query = { readonly [name: string]: string | undefined }

const counts: Counts = { handshakes: 0, sessions: 0, begins: 0, ends: {} }

/** Those who wait until the test lets them go on, by where they wait. */
const waiting = new Map<string, Gate[]>()

function hold (name: string): Promise<void> {
  const wait = gate()
  waiting.set(name, [...waiting.get(name) ?? [], wait])
  return wait
}

class RoomChannel extends Channel<{ room: string }> {
  static actions = { name: true }

  async subscribed () {
    this.streamFrom(this.params.room)
    await turn()
    counts.begins++
  }

  async unsubscribed (reason: string) {
    counts.ends[reason] = (counts.ends[reason] ?? 0) + 1
    await this.broadcast('left', reason)
    if (this.params.room === 'held') await hold('end')
  }

  name () { return this.connectionId }
}

const app = fastify()
// Like a session plugin whose store is another machine: no handshake is answered in the turn in which it came.
app.addHook('onRequest', async request => {
  await turn()
  if ((request.query as Query).hold === 'hook') await hold('hook')
})
await app.register(channels, {
  channels: { RoomChannel },
  cable: process.env.REDIS_URL ? redisCable({ url: process.env.REDIS_URL }) : undefined,
  // What a process misses while it restarts on a busy machine must be there afterwards.
  history: { size: 10_000 },
  limits: { endTimeout: 60_000, connectionsPerUser: false },
  session: async request => {
    counts.sessions++
    const { user, session, hold: where } = request.query as Query
    if (where === 'session') await hold('session')
    return user === undefined ? null : { userId: user, id: session }
  },
  findUser: id => ({ id })
})
app.server.on('upgrade', () => { counts.handshakes++ })
app.post('/say', async (request, reply) => {
  const { room, n } = request.query as Query
  await app.cable.broadcast(room!, Number(n))
  return reply.code(204).send()
})

const commands: { readonly [name: string]: (...args: any[]) => unknown } = {
  listen: async (port: number) => {
    await app.listen({ port, host: '127.0.0.1', backlog: 4096 })
    return (app.server.address() as AddressInfo).port
  },
  counts: () => counts,
  connections: () => app.cable.health().connections,
  broadcast: (stream, data) => app.cable.broadcast(stream, data),
  disconnect: (filter, options) => app.cable.disconnect(filter, options),
  revoke: (filter, channel, params) => app.cable.revoke(filter, channel, params),
  waiting: (name: string) => waiting.get(name)?.length ?? 0,
  open: (name: string) => {
    for (const wait of waiting.get(name) ?? []) wait.open()
    waiting.delete(name)
  }
}

process.on('unhandledRejection', error => { throw error })
process.on('message', async ({ id, name, args }: { id: number, name: string, args: unknown[] }) => {
  const value = await commands[name]!(...args)
  process.send!({ id, value })
})
// A test that died leaves nobody behind.
const orphaned = () => process.exit(1)
process.once('disconnect', orphaned)
process.once('SIGTERM', async () => {
  const begun = performance.now()
  await app.close()
  // What was closed in this turn is gone in the next.
  await turn()
  await turn()
  const farewell: Farewell = { ...counts, took: Math.round(performance.now() - begun), resources: process.getActiveResourcesInfo() }
  process.removeListener('disconnect', orphaned)
  process.send!({ farewell }, () => process.disconnect())
})
await app.ready()
process.send!({ isReady: true })
