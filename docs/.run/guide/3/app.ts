// app.ts
import Fastify from 'fastify'
import channels from 'fastify-channels'
import { ChatChannel } from './channels/chat-channel.ts'

export const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })

await app.register(async support => {
  support.decorate('desk', 'support')
  support.channel(ChatChannel, { name: 'SupportChannel' })
})
