// message.ts
import { html, turboStream } from '@fastify-channels/turbo'

const messageItem = (message: { id: number, text: string }) => html`<li id="message_${message.id}">${message.text}</li>`

export const appended = turboStream.append('messages', messageItem({ id: 7, text: 'hello' }))
export const removed = turboStream.remove('message_7')
