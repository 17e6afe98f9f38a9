// The rooms of a user, and each room as a page.
import type { FastifyInstance } from 'fastify'
import { roomPage } from '../views/room.ts'
import { roomsPage } from '../views/rooms.ts'
import { enterRoom, roomParams } from './door.ts'
import { readRoom, readRooms } from './snapshot.ts'

export async function roomRoutes (app: FastifyInstance): Promise<void> {
  app.get('/', (_request, reply) => reply.redirect('/rooms'))

  app.get('/rooms', async (_request, reply) => reply.page(roomsPage(await readRooms(app))))

  app.get<{ Params: { id: number } }>('/rooms/:id', { schema: { params: roomParams } }, async (request, reply) => {
    const room = await enterRoom(app, request.params.id)
    return reply.page(roomPage(await readRoom(app, room)))
  })
}
