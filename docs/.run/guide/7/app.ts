// app.ts
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { messages, users } from './models.ts'

class ChatChannel extends Channel<{ room_id: number }> {
  subscribed () {
    this.streamFrom(`chat_${this.params.room_id}`)
  }
}

export const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })

app.post<{ Params: { id: number }, Body: { text: string } }>('/rooms/:id/messages', async (request, reply) => {
  const author = (await users.find(1))!
  const message = await messages.create(Number(request.params.id), author, request.body.text)
  reply.cable.broadcast(`chat_${message.roomId}`, { id: message.id, message: message.text })
  return reply.redirect(`/rooms/${message.roomId}`)
})

export async function reportProgress (userId: number, percent: number) {
  await app.cable.broadcast(`inbox_${userId}`, { percent })
}
