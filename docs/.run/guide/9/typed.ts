// typed.ts
import { createCable } from '@fastify-channels/client'
import type { ChatChannel } from './channels/chat-channel.ts'

const cable = createCable<{ ChatChannel: ChatChannel }>()
const chat = cable.subscribe('ChatChannel', { room: 'general' })
export const length = async () => (await chat.perform('speak', { message: 'hello' })).length
