// app.ts
import Fastify from 'fastify'
import channels from 'fastify-channels'

export const app = Fastify()
await app.register(channels)
