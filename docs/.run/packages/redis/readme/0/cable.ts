// cable.ts
import { redisCable } from '@fastify-channels/redis'

export const cable = redisCable({ url: 'redis://localhost:6379', prefix: 'myapp:cable:' })
