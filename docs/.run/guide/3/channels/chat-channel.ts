// channels/chat-channel.ts
import { Channel } from 'fastify-channels'

export class ChatChannel extends Channel<{ room: string }> {
  static params = { type: 'object', required: ['room'], properties: { room: { type: 'string', maxLength: 40 } } }
  static actions = { speak: true }

  subscribed () {
    this.streamFrom(`chat_${this.params.room}`)
  }

  speak (data: { message: string }) {
    this.broadcast(`chat_${this.params.room}`, { message: data.message })
  }
}
