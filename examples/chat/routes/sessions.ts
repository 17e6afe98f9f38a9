// Logging in and out: where sessions begin and end.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { endSession, sessionAge, startSession } from '../sessions.ts'
import { authenticate } from '../users.ts'
import { loginPage } from '../views/login.ts'

interface Login {
  Body: { login: string, password: string }
}

const schema = {
  body: { type: 'object', required: ['login', 'password'], properties: { login: { type: 'string' }, password: { type: 'string' } } }
}

export async function sessionRoutes (app: FastifyInstance): Promise<void> {
  app.get('/login', (_request, reply) => current.user === null ? reply.page(loginPage()) : reply.redirect('/rooms'))

  app.post<Login>('/login', { schema }, async (request, reply) => {
    const login = request.body.login.trim().toLowerCase()
    const user = await authenticate(app.database, login, request.body.password)
    if (user === null) return reply.code(401).page(loginPage({ login, isWrong: true }))
    // A new id at every login: nobody can be handed a session that somebody else knows.
    const id = await startSession(app.database, user)
    return reply.setCookie('session', id, { signed: true, maxAge: sessionAge }).redirect('/rooms')
  })

  app.post('/logout', async (request, reply) => {
    const { value: id } = request.unsignCookie(request.cookies.session ?? '')
    if (id !== null) {
      await endSession(app.database, id)
      // A socket outlives the answer, so those of this session are ended as well; the user's other devices go on.
      await app.cable.disconnect({ sessionId: id })
    }
    return reply.clearCookie('session').redirect('/login')
  })
}
