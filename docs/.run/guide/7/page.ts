// page.ts
import type { FastifyInstance } from 'fastify'
import { messages } from './models.ts'

export function roomPage (app: FastifyInstance) {
  app.get<{ Params: { id: number } }>('/rooms/:id', async request => {
    const id = Number(request.params.id)
    const { data, since } = await app.cable.snapshot(`chat_${id}`, () => messages.in(id))
    return { messages: data, since }
  })
}
