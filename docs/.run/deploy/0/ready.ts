// ready.ts
import type { FastifyInstance } from 'fastify'

export function readiness (app: FastifyInstance) {
  app.get('/ready', { config: { cable: false } }, (_request, reply) => {
    const health = app.cable.health()
    return reply.code(health.ok ? 200 : 503).send(health)
  })
}
