// Socket.IO over its websocket transport alone (with REDIS_URL: and its Redis adapter), rooms for streams, acknowledgements for replies, and the session cookie checked at the handshake.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { message, port, ready } from './payload.mjs'

const { Signer } = createRequire(import.meta.url)('@fastify/cookie')
const signer = new Signer('a secret for the benchmark only')
const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })
if (process.env.REDIS_URL) {
  const publisher = new Redis(process.env.REDIS_URL)
  io.adapter(createAdapter(publisher, publisher.duplicate()))
}
io.use((socket, next) => {
  const signed = /(?:^|; )session=([^;]*)/.exec(socket.handshake.headers.cookie ?? '')?.[1]
  const { valid, value } = signed === undefined ? { valid: false } : signer.unsign(decodeURIComponent(signed))
  if (valid) socket.data.user = { id: value }
  next()
})
io.on('connection', socket => {
  socket.on('sub', (streams, ack) => {
    socket.join(streams)
    ack(1)
  })
  socket.on('pub', ({ stream, n }, ack) => {
    io.to(stream).emit('m', message(stream, n))
    ack?.(1)
  })
})
http.listen(port, '127.0.0.1', ready)
