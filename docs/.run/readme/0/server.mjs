// server.mjs
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

const page = `<!doctype html>
<title>Chat</title>
<form><input autofocus> <button>Say</button></form>
<ul></ul>
<script type="module">
  import { cable } from '/cable.js'

  const chat = cable.subscribe('ChatChannel', { room: 'general' }, {
    received ({ message }) {
      const item = document.createElement('li')
      item.textContent = message
      document.querySelector('ul').append(item)
    }
  })

  document.querySelector('form').addEventListener('submit', event => {
    event.preventDefault()
    const input = document.querySelector('input')
    chat.perform('speak', { message: input.value })
    input.value = ''
  })
</script>`

const app = Fastify()
await app.register(channels, { channels: { ChatChannel } })
app.get('/', (request, reply) => reply.type('text/html').send(page))
console.log(await app.listen({ port: 3000 }))
