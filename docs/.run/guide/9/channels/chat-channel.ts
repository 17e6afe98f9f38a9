// channels/chat-channel.ts
import { Channel } from 'fastify-channels'

export class ChatChannel extends Channel<{ room: string }> {
  static actions = { speak: true }

  speak (data: { message: string }) {
    return { length: data.message.length }
  }
}
