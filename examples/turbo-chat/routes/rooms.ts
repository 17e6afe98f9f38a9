// Each room as a page, with the place from which the page hears what comes after it.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { current } from 'fastify-channels'
import { latestMessages } from '../messages.ts'
import { findRoom, idSchema, listRooms, listStream, roomStream } from '../rooms.ts'
import type { Draft } from '../views/composer.ts'
import { roomPage } from '../views/room.ts'

export async function roomRoutes (app: FastifyInstance): Promise<void> {
  app.get('/', (_request, reply) => reply.redirect('/rooms/1', 303))

  app.get<{ Params: { id: number } }>('/rooms/:id', { schema: { params: { type: 'object', properties: { id: idSchema } } } },
    (request, reply) => sendRoom(app, reply, request.params.id))
}

/** Answers with the page of a room. */
export async function sendRoom (app: FastifyInstance, reply: FastifyReply, id: number, draft?: Draft): Promise<FastifyReply> {
  const room = await findRoom(app.database, id)
  if (room === null) {
    reply.callNotFound()
    return reply
  }
  const { data, since } = await app.cable.snapshot([roomStream(room), listStream], async () => ({
    rooms: await listRooms(app.database),
    messages: await latestMessages(app.database, room)
  }))
  return reply.page(roomPage({ user: current.user!, room, ...data, since, draft }))
}
