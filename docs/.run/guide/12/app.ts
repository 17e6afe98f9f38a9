// app.ts
import Fastify from 'fastify'
import channels from 'fastify-channels'
import { redisCable } from '@fastify-channels/redis'

const { REDIS_URL } = process.env

export const app = Fastify()
await app.register(channels, REDIS_URL === undefined ? {} : { cable: redisCable({ url: REDIS_URL, prefix: 'myapp:cable:' }) })
