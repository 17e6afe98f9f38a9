// channels/chat-channel.ts
import { ActionError, Channel, current } from 'fastify-channels'

export class ChatChannel extends Channel<{ room: string }> {
  static actions = {
    speak: { data: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } } },
    typing: true,
    receive: true
  }

  subscribed () {
    this.streamFrom(`chat_${this.params.room}`)
  }

  async speak (data: { message: string }) {
    if (data.message.length > 500) throw new ActionError('too_long', { max: 500 })
    await this.broadcast(`chat_${this.params.room}`, { message: data.message, sender: current.user?.login })
    return { length: data.message.length }
  }

  typing () {
    this.broadcast(`chat_${this.params.room}`, { typing: true }, { history: false })
  }

  receive (data: unknown) {
    this.send({ echo: data })
  }
}
