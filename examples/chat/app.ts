// The app: plugins, channels, routes and the pages for when something is wrong; used by the server and by the tests.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import Fastify from 'fastify'
import type { FastifyError, FastifyInstance, FastifyServerOptions } from 'fastify'
import channels, { current } from 'fastify-channels'
import type { CableBackend } from 'fastify-channels'
import { ChatChannel } from './channels/chat-channel.ts'
import type { Database } from './database.ts'
import { assetRoutes } from './routes/assets.ts'
import { messageRoutes } from './routes/messages.ts'
import { roomRoutes } from './routes/rooms.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { findSession } from './sessions.ts'
import { findUser } from './users.ts'
import { errorPage } from './views/error.ts'
import type { Html } from './views/html.ts'

export interface ChatOptions {
  readonly database: Database
  /** Signs the session cookie. Without one, everybody is logged out when the app stops. */
  readonly secret?: string | undefined
  /** How broadcasts reach the other processes. Without one, there are none. */
  readonly cable?: CableBackend | undefined
  /** True: the session cookie travels over HTTPS only. */
  readonly isProduction?: boolean
  readonly logger?: FastifyServerOptions['logger']
}

declare module 'fastify' {
  interface FastifyInstance {
    database: Database
  }
  interface FastifyReply {
    /** Answers with a page. */
    page: (page: Html) => FastifyReply
  }
}

export async function buildApp ({ database, secret = randomBytes(32).toString('hex'), cable, isProduction = false, logger = false }: ChatOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: logger ?? false })
  app.decorate('database', database)
  app.decorateReply('page', function (page) {
    return this.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(String(page))
  })

  await app.register(formbody)
  await app.register(cookie, { secret, parseOptions: { path: '/', httpOnly: true, sameSite: 'lax', secure: isProduction } })
  await app.register(channels, {
    channels: { ChatChannel },
    actions: 'declared',
    session: { cookie: 'session', userId: id => findSession(database, id) },
    findUser: id => findUser(database, id),
    cable
  })

  // Scripts, styles and sockets come from here and nowhere else.
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff'
    })
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).page(errorPage(404, current.user)))
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error(error)
    return reply.code(status).page(errorPage(status, current.user))
  })

  await app.register(assetRoutes)
  await app.register(sessionRoutes)
  await app.register(async members => {
    members.addHook('onRequest', async (_request, reply) => {
      if (current.user === null) return reply.redirect('/login')
    })
    await members.register(roomRoutes)
    await members.register(messageRoutes)
  })
  return app
}
