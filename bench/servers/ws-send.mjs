// Bare ws the way its README broadcasts: one send() per listener (with DEFLATE=1: permessage-deflate, each socket for itself).
import { WebSocketServer } from 'ws'
import { message, port, ready } from './payload.mjs'

const streams = new Map()
const wss = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: process.env.DEFLATE === '1' }, ready)
wss.on('connection', ws => {
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
