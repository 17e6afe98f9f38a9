// server.ts
import Fastify from 'fastify'
import channels from 'fastify-channels'

export const app = Fastify()
await app.register(channels)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
