// Coming in under a name, going out, and the style that shows people which messages are their own.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { idSchema } from '../rooms.ts'
import { createUser, maxName } from '../users.ts'
import { helloPage } from '../views/hello.ts'

const schema = { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } }

export async function userRoutes (app: FastifyInstance): Promise<void> {
  app.get('/hello', (_request, reply) => current.user === null ? reply.page(helloPage()) : reply.redirect('/', 303))

  app.post<{ Body: { name: string } }>('/hello', { schema }, async (request, reply) => {
    const name = request.body.name.replaceAll('\0', '').trim()
    if (name === '' || name.length > maxName) return reply.code(422).page(helloPage({ name, isWrong: true }))
    const user = await createUser(app.database, name)
    return reply.setCookie('user', String(user.id), { signed: true, maxAge: 30 * 24 * 60 * 60 }).redirect('/', 303)
  })

  app.post('/goodbye', async (_request, reply) => {
    // A socket outlives the answer, so it is ended as well; whoever comes back is asked again who they are.
    if (current.user !== null) await app.cable.disconnect({ userId: current.user.id }, { reconnect: true })
    return reply.clearCookie('user').redirect('/hello', 303)
  })

  // An update is the same for everybody, so it cannot say whose it is to whom. This does; the routes are what keeps others out.
  app.get<{ Params: { id: number } }>('/users/:id/own.css', { schema: { params: { type: 'object', properties: { id: idSchema } } }, config: { cable: false } }, (request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'max-age=86400')
      .send(`.by-${request.params.id} { --side: flex-end; --face: none; --align: end; --push: auto; --bubble: var(--own); --on-bubble: var(--on-own); --corners: 1.125rem 1.125rem 0.3125rem; --tools: flex; }\n`))
}
