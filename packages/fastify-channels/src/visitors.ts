// `current.user` in HTTP routes: the same session and the same user as on the socket. Loads nobody who brings no session.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { current } from './current.ts'
import type { User } from './current.ts'
import { cookieName } from './session.ts'
import type { FindUser, ReadSession, SessionOption } from './session.ts'

const kVisitor = Symbol('fastify-channels.visitor')
type Visited = FastifyRequest & { [kVisitor]: { readonly user: User | null } | null }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** False: no user is loaded for this route, and `current.user` is null in it. */
    cable?: boolean
  }
}

export function followVisitors (app: FastifyInstance, session: SessionOption, readSession: ReadSession, findUser: FindUser): void {
  const name = cookieName(session)
  const load = async (request: FastifyRequest) => {
    const { userId } = await readSession(request)
    return userId === null ? null : await findUser(userId)
  }
  app.decorateRequest(kVisitor as any, null)
  app.addHook('onRequest', (request, _reply, done) => {
    const isAsked = request.routeOptions.config.cable !== false && !request.ws && (name === null || request.cookies[name] !== undefined)
    if (!isAsked) return done()
    load(request).then(user => {
      (request as Visited)[kVisitor] = { user }
      current.run(user, done)
    }, done)
  })
  // Reading a body continues in the context of the socket, not in this request's: enter it again.
  app.addHook('preValidation', (request, _reply, done) => {
    const visitor = (request as Visited)[kVisitor]
    if (visitor === null) done()
    else current.run(visitor.user, done)
  })
}
