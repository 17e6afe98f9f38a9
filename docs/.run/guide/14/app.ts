// app.ts
import { readFileSync } from 'node:fs'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import channels, { current } from 'fastify-channels'
import { ChatChannel } from './chat-channel.ts'
import { messages, rooms, sessions, users } from './models.ts'

const script = readFileSync(new URL('./chat.js', import.meta.url), 'utf8')
const page = readFileSync(new URL('./page.html', import.meta.url), 'utf8')

export const app = Fastify()
await app.register(cookie, { secret: 'a long random text' })
await app.register(channels, {
  channels: { ChatChannel },
  actions: 'declared',
  session: { cookie: 'session', userId: id => sessions.userId(id) },
  findUser: id => users.find(id)
})

app.post<{ Params: { login: string } }>('/login/:login', async (request, reply) => {
  const user = await users.called(request.params.login)
  if (user === null) return reply.code(404).send()
  return reply.setCookie('session', sessions.start(user), { path: '/', signed: true, httpOnly: true, sameSite: 'lax' }).code(204).send()
})

app.register(async members => {
  members.addHook('preHandler', async (request, reply) => {
    const room = await rooms.find((request.params as { id: string }).id)
    if (!room?.hasMember(current.user)) return reply.code(404).send()
  })

  members.get('/rooms/:id', (_request, reply) => reply.type('text/html').send(page))

  members.get<{ Params: { id: number } }>('/rooms/:id/messages', async request => {
    const id = Number(request.params.id)
    return await app.cable.snapshot(`chat_${id}`, () => messages.in(id))
  })

  members.post<{ Params: { id: number }, Body: { text: string } }>('/rooms/:id/messages', async (request, reply) => {
    const message = await messages.create(Number(request.params.id), current.user, request.body.text)
    reply.cable.broadcast(`chat_${message.roomId}`, message)
    return reply.code(201).send({ id: message.id })
  })
})

app.get('/chat.js', (_request, reply) => reply.type('text/javascript').send(script))
