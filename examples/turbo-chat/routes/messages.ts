// Messages: written, shown, edited and deleted. Each change is rendered once: as the answer to whoever made it, as the broadcast to the others.
import { turboStream, wantsTurboStream } from '@fastify-channels/turbo'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { current } from 'fastify-channels'
import { cleanText, createMessage, deleteMessage, editMessage, findMessage, latestMessages, textProblem } from '../messages.ts'
import type { Message } from '../messages.ts'
import { findRoom, idSchema, listStream, roomStream } from '../rooms.ts'
import { composerView } from '../views/composer.ts'
import { editView, messageView } from '../views/message.ts'
import { messagePage } from '../views/message-page.ts'
import { lastView } from '../views/sidebar.ts'
import { sendRoom } from './rooms.ts'

interface Get { Params: { id: number } }
interface Post extends Get { Body: { text: string } }

const params = { type: 'object', properties: { id: idSchema } }
const body = { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }

export async function messageRoutes (app: FastifyInstance): Promise<void> {
  const { database } = app

  app.post<Post>('/rooms/:id/messages', { schema: { params, body } }, async (request, reply) => {
    const room = await findRoom(database, request.params.id)
    if (room === null) return reply.callNotFound()
    const text = cleanText(request.body.text)
    const problem = textProblem(text)
    if (problem !== null) {
      const draft = { text, problem }
      reply.code(422)
      return wantsTurboStream(request) ? reply.streams(turboStream.replace('composer', composerView, room, draft)) : sendRoom(app, reply, room.id, draft)
    }
    const message = await createMessage(database, room, current.user!, text)
    return tell(request, reply, message.roomId, turboStream.append('messages', messageView, message), turboStream.replace('composer', composerView, room))
  })

  app.get<Get>('/messages/:id', { schema: { params } }, async (request, reply) => {
    const message = await findMessage(database, request.params.id)
    return message === null ? reply.callNotFound() : reply.page(messagePage(message, messageView(message)))
  })

  app.get<Get>('/messages/:id/edit', { schema: { params } }, async (request, reply) => {
    const message = await ownMessage(request.params.id)
    return message === null ? reply.callNotFound() : reply.page(messagePage(message, editView(message)))
  })

  app.post<Post>('/messages/:id', { schema: { params, body } }, async (request, reply) => {
    const message = await ownMessage(request.params.id)
    if (message === null) return reply.callNotFound()
    const text = cleanText(request.body.text)
    const problem = textProblem(text)
    if (problem !== null) return reply.code(422).page(messagePage(message, editView(message, { text, problem })))
    const edited = await editMessage(database, message, text)
    return edited === null ? reply.callNotFound() : tell(request, reply, edited.roomId, turboStream.replace(`message-${edited.id}`, messageView, edited))
  })

  app.post<Get>('/messages/:id/delete', { schema: { params } }, async (request, reply) => {
    const message = await ownMessage(request.params.id)
    if (message === null) return reply.callNotFound()
    await deleteMessage(database, message)
    return tell(request, reply, message.roomId, turboStream.remove(`message-${message.id}`))
  })

  /** The message of that id, if whoever asks wrote it. */
  async function ownMessage (id: number): Promise<Message | null> {
    const message = await findMessage(database, id)
    return message?.authorId === current.user!.id ? message : null
  }

  /** Tells everybody what changed in a room; and whoever changed it, `also` what is for them alone. */
  async function tell (request: FastifyRequest, reply: FastifyReply, roomId: number, change: string, also = ''): Promise<FastifyReply> {
    const [last = null] = await latestMessages(database, { id: roomId }, 1)
    const listed = turboStream.update(`last-${roomId}`, lastView, last)
    const others = reply.cable.toOthers()
    others.broadcast(roomStream({ id: roomId }), change)
    others.broadcast(listStream, listed)
    return wantsTurboStream(request) ? reply.streams(change, listed, also) : reply.redirect(`/rooms/${roomId}`, 303)
  }
}
