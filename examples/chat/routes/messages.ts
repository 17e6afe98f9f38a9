// The messages of a room over HTTP: the plain form that works without any script, and what a page missed while it was offline.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { cleanText, createMessage, latestMessages, pageSize, textProblem } from '../messages.ts'
import { chatStream } from '../rooms.ts'
import { roomPage } from '../views/room.ts'
import { enterRoom, roomParams } from './door.ts'
import { readRoom } from './snapshot.ts'

interface Post {
  Params: { id: number }
  Body: { message: string }
}

interface Get {
  Params: { id: number }
  Querystring: { after?: number }
}

const post = {
  params: roomParams,
  body: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } }
}

const get = {
  params: roomParams,
  querystring: { type: 'object', properties: { after: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 } } }
}

export async function messageRoutes (app: FastifyInstance): Promise<void> {
  const { database } = app

  app.post<Post>('/rooms/:id/messages', { schema: post }, async (request, reply) => {
    const user = current.user!
    const room = await enterRoom(app, request.params.id)
    const text = cleanText(request.body.message)
    const problem = textProblem(text)
    if (problem !== null) return reply.code(422).page(roomPage({ ...await readRoom(app, room), problem, draft: text }))
    await database.transaction(async transaction => {
      const message = await createMessage(transaction, room, user, text)
      // Said here, heard when the answer leaves: if the commit fails, nobody hears of a message that does not exist.
      reply.cable.broadcast(chatStream(room), message)
    })
    return reply.redirect(`/rooms/${room.id}`, 303)
  })

  app.get<Get>('/rooms/:id/messages', { schema: get }, async request => {
    const room = await enterRoom(app, request.params.id)
    const messages = await latestMessages(database, room, request.query.after)
    // As many as a page takes: between `after` and the first of them there may be more.
    return { messages, isComplete: messages.length < pageSize }
  })
}
