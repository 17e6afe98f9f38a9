// The rooms of a user, and each room as a page.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { latestMessages } from '../messages.ts'
import { membersOf, roomsOf } from '../rooms.ts'
import { roomPage } from '../views/room.ts'
import { roomsPage } from '../views/rooms.ts'
import { enterRoom, roomParams } from './door.ts'

export async function roomRoutes (app: FastifyInstance): Promise<void> {
  const { database } = app

  app.get('/', (_request, reply) => reply.redirect('/rooms'))

  app.get('/rooms', async (_request, reply) => {
    const user = current.user!
    return reply.page(roomsPage({ user, rooms: await roomsOf(database, user) }))
  })

  app.get<{ Params: { id: number } }>('/rooms/:id', { schema: { params: roomParams } }, async (request, reply) => {
    const user = current.user!
    const room = await enterRoom(app, request.params.id)
    return reply.page(roomPage({
      user,
      room,
      rooms: await roomsOf(database, user),
      members: await membersOf(database, room),
      messages: await latestMessages(database, room)
    }))
  })
}
