// app.ts
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'

class ChatChannel extends Channel<{ room: string }> {
  static actions = { speak: true }

  subscribed () {
    this.streamFrom(`chat_${this.params.room}`)
  }

  speak (data: { message: string }) {
    this.broadcast(`chat_${this.params.room}`, { message: data.message })
  }
}

export const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })
