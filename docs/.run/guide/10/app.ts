// app.ts
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { html, turboStream, turboStreamChannel } from '@fastify-channels/turbo'
import { messages, users } from './models.ts'
import type { Message } from './models.ts'

class ChatChannel extends Channel<{ room_id: number }> {
  subscribed () {
    this.streamFrom(`chat_${this.params.room_id}`)
  }
}

const messageItem = (message: Message) => html`<li id="message_${message.id}">${message.sender}: ${message.text}</li>`

export const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })

app.get<{ Params: { id: number } }>('/rooms/:id', async (request, reply) => {
  const id = Number(request.params.id)
  const { data, since } = await app.cable.snapshot(`chat_${id}`, () => messages.in(id))
  return reply.type('text/html').send(String(html`
    ${turboStreamChannel('ChatChannel', { room_id: id }, { since })}
    <ul id="messages">${data.map(messageItem)}</ul>`))
})

app.post<{ Params: { id: number }, Body: { text: string } }>('/rooms/:id/messages', async (request, reply) => {
  const author = (await users.find(1))!
  const message = await messages.create(Number(request.params.id), author, request.body.text)
  reply.cable.broadcast(`chat_${message.roomId}`, turboStream.append('messages', messageItem(message)))
  return reply.redirect(`/rooms/${message.roomId}`)
})
