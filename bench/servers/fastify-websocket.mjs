// fastify and @fastify/websocket alone, broadcasting the way the plugin's README does: one send() per listener.
import Fastify from 'fastify'
import websocket from '@fastify/websocket'
import { message, port, ready } from './payload.mjs'

const streams = new Map()
const app = Fastify()
await app.register(websocket)
app.get('/cable', { websocket: true }, ws => {
  ws.on('message', data => {
    const { sub, pub, n, id } = JSON.parse(data)
    if (sub !== undefined) {
      for (const stream of sub) streams.set(stream, (streams.get(stream) ?? new Set()).add(ws))
      ws.send('{"ok":1}')
    } else {
      const text = JSON.stringify(message(pub, n))
      for (const client of streams.get(pub)) client.send(text)
      if (id !== undefined) ws.send(`{"id":${id}}`)
    }
  })
  ws.on('close', () => { for (const set of streams.values()) set.delete(ws) })
})
await app.listen({ port, host: '127.0.0.1' })
ready()
