// fastify-channels with every default on: sessions, heartbeats, limits, positions. Speaks channels-v1.
import Fastify from 'fastify'
import cookie from '@fastify/cookie'
import { redisCable } from '../../packages/redis/dist/index.js'
import channels, { Channel } from '../../packages/fastify-channels/dist/index.js'
import { message, port, ready } from './payload.mjs'

class RoomChannel extends Channel {
  static actions = { publish: true }

  subscribed () {
    this.streamFrom(this.params.stream)
  }

  publish ({ stream, n }) {
    this.broadcast(stream, message(stream, n))
    return 1
  }
}

const app = Fastify()
await app.register(cookie, { secret: 'a secret for the benchmark only' })
await app.register(channels, {
  channels: { RoomChannel },
  session: { cookie: 'session' },
  findUser: id => ({ id }),
  cable: process.env.REDIS_URL ? redisCable({ url: process.env.REDIS_URL }) : undefined,
  compress: process.env.DEFLATE === '1',
  // One socket publishes for all.
  limits: { commandRate: false }
})
await app.listen({ port, host: '127.0.0.1' })
ready()
