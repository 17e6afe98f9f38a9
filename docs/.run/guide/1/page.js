// page.js
import { cable } from '/cable.js'

const chat = cable.subscribe('ChatChannel', { room: 'general' }, {
  received ({ message }) {
    document.querySelector('#messages').append(message)
  }
})

chat.perform('speak', { message: 'hello' })
