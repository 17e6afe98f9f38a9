// page.ts
import { cable } from '@fastify-channels/client'

const chat = cable.subscribe('ChatChannel', { room: 'general' }, {
  received (data) { console.log(data) }
})

const answer = await chat.perform('speak', { message: 'hello' })
console.log(answer)
