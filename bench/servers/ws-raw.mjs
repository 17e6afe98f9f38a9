// The floor of Node: a frame built once and written to each listener's TCP socket, past ws, with nothing around it.
import { WebSocketServer } from 'ws'
import { message, port, ready } from './payload.mjs'

function frame (text) {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? Buffer.from([0x81, length]) : Buffer.from([0x81, 126, length >> 8, length & 255])
  return Buffer.concat([header, Buffer.from(text)])
}

const streams = new Map()

// For the test of the load generator: what a server does that is not to be trusted.
const { FAULT: fault } = process.env

function misbehave (stream, bytes) {
  const [first, ...others] = streams.get(stream)
  for (const socket of others) socket.write(bytes)
  if (fault === 'double') first.write(Buffer.concat([bytes, bytes]))
  if (fault === 'swap') setTimeout(() => first.write(bytes), 20)
}
const wss = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false }, ready)
wss.on('connection', ws => {
  ws.on('message', data => {
    const { sub, pub, n, id } = JSON.parse(data)
    if (sub !== undefined) {
      for (const stream of sub) streams.set(stream, (streams.get(stream) ?? new Set()).add(ws._socket))
      ws._socket.write(frame('{"ok":1}'))
    } else {
      const bytes = frame(JSON.stringify(message(pub, n)))
      if (Number(n) === 3 && fault !== undefined) return misbehave(pub, bytes)
      for (const socket of streams.get(pub)) socket.write(bytes)
      if (id !== undefined) ws._socket.write(frame(`{"id":${id}}`))
    }
  })
  const socket = ws._socket
  ws.on('close', () => { for (const set of streams.values()) set.delete(socket) })
})
