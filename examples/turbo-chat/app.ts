// The app: plugins, the channel, routes and the pages for when something is wrong; used by the server and by the tests.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import { TURBO_STREAM_MIME } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import Fastify from 'fastify'
import type { FastifyError, FastifyInstance, FastifyServerOptions } from 'fastify'
import channels, { current } from 'fastify-channels'
import { RoomChannel } from './channels/room-channel.ts'
import type { Database } from './database.ts'
import { assetRoutes } from './routes/assets.ts'
import { messageRoutes } from './routes/messages.ts'
import { roomRoutes } from './routes/rooms.ts'
import { userRoutes } from './routes/users.ts'
import { findUser } from './users.ts'
import { errorPage } from './views/error.ts'

export interface AppOptions {
  readonly database: Database
  /** Signs the cookie. Without one, everybody is a stranger again when the app stops. */
  readonly secret?: string | undefined
  /** True: the cookie travels over HTTPS only. */
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
    /** Answers with turbo-streams. */
    streams: (...streams: string[]) => FastifyReply
  }
}

export async function buildApp ({ database, secret = randomBytes(32).toString('hex'), isProduction = false, logger = false }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: logger ?? false })
  app.decorate('database', database)
  app.decorateReply('page', function (page) {
    return this.type('text/html; charset=utf-8').header('cache-control', 'no-store').send(String(page))
  })
  app.decorateReply('streams', function (...streams) {
    return this.type(TURBO_STREAM_MIME).send(streams.join('\n'))
  })

  await app.register(formbody)
  await app.register(cookie, { secret, parseOptions: { path: '/', httpOnly: true, sameSite: 'lax', secure: isProduction } })
  await app.register(channels, {
    channels: { RoomChannel },
    actions: 'declared',
    session: { cookie: 'user' },
    findUser: id => findUser(database, id)
  })

  // Scripts and sockets come from here and nowhere else. Turbo's progress bar writes its own style.
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff'
    })
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).page(errorPage(404)))
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error(error)
    return reply.code(status).page(errorPage(status))
  })

  await app.register(assetRoutes)
  await app.register(userRoutes)
  await app.register(async members => {
    members.addHook('onRequest', async (_request, reply) => {
      if (current.user === null) return reply.redirect('/hello', 303)
    })
    await members.register(roomRoutes)
    await members.register(messageRoutes)
  })
  return app
}
