// app.mjs
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'

class ChatChannel extends Channel {
  static actions = { speak: true }

  subscribed () {
    this.streamFrom(`chat_${this.params.room}`)
  }

  speak ({ message }) {
    this.broadcast(`chat_${this.params.room}`, { message })
  }
}

export const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })
