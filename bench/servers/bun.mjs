// Bun's native publish: sockets subscribe to topics, and the loop over them runs in C++.
import { message, port, ready } from './payload.mjs'

const server = Bun.serve({
  port,
  hostname: '127.0.0.1',
  fetch (request, server) {
    return server.upgrade(request) ? undefined : new Response('upgrade', { status: 426 })
  },
  websocket: {
    perMessageDeflate: false,
    message (ws, data) {
      const { sub, pub, n, id } = JSON.parse(data)
      if (sub !== undefined) {
        for (const stream of sub) ws.subscribe(stream)
        ws.send('{"ok":1}')
      } else {
        server.publish(pub, JSON.stringify(message(pub, n)))
        if (id !== undefined) ws.send(`{"id":${id}}`)
      }
    }
  }
})
ready()
