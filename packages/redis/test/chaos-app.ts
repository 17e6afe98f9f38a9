// One process of the chaos test: an app on the Redis cable, and publishers in it that speak when they are told to.
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import channels, { Channel } from 'fastify-channels'
import { redisCable } from '../src/index.ts'

/** What the test says. */
export interface Order {
  readonly publishers: readonly number[]
  /** How often each speaks, unless it is told that it is enough; once at least. */
  readonly count: number
  readonly streams: readonly string[]
}

/** What comes back when all is said. */
export interface Report {
  /** What was taken, as `publisher/number`. */
  readonly taken: readonly string[]
  readonly refused: number
}

class StreamChannel extends Channel<{ stream: string }> {
  subscribed () {
    this.streamFrom(this.params.stream)
  }
}

const app = fastify()
await app.register(channels, { channels: { StreamChannel }, origin: () => true, cable: redisCable({ url: process.env.REDIS_URL! }) })
await app.listen({ port: 0, host: '127.0.0.1' })
process.send!({ port: (app.server.address() as AddressInfo).port })
// Nobody may leave a promise behind.
process.on('unhandledRejection', error => { throw error })

const enough = new AbortController()

process.on('message', (order: Order | 'enough' | 'stop') => {
  if (order === 'enough') enough.abort()
  else if (order === 'stop') app.close().then(() => process.disconnect())
  else speak(order).then(report => process.send!(report))
})

async function speak ({ publishers, count, streams }: Order): Promise<Report> {
  const taken: string[] = []
  let refused = 0
  await Promise.all(publishers.map(async publisher => {
    for (let number = 0; number < count && !(enough.signal.aborted && number > 0); number++) {
      const stream = streams[Math.floor(Math.random() * streams.length)]!
      await app.cable.broadcast(stream, { said: `${publisher}/${number}` }).then(() => taken.push(`${publisher}/${number}`), () => { refused++ })
      await pause(Math.random() * 150)
    }
  }))
  return { taken, refused }
}
