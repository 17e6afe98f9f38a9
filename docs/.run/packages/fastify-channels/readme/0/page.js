// page.js
import { cable } from '/cable.js'

const chat = cable.subscribe('ChatChannel', { room: 'general' }, { received: console.log })
await chat.perform('speak', { message: 'hello' })
