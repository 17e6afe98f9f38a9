// The plugin: the one file that knows Fastify. Decorates, mounts, hooks; leaves the work to the floors below.
import cluster from 'node:cluster'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import { dialects, plain } from '@fastify-channels/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { WebSocket } from 'ws'
import { readClient } from './asset.ts'
import { Cable, readDisconnect } from './cable.ts'
import type { ChannelClass } from './channel.ts'
import { Connection } from './connection.ts'
import type { Building } from './connection.ts'
import { Connections } from './connections.ts'
import { current } from './current.ts'
import type { User } from './current.ts'
import { ForeignWebsocket, InvalidOption } from './errors.ts'
import { Handshakes } from './handshakes.ts'
import { Heartbeat } from './heartbeat.ts'
import { InProcessBackend } from './in-process.ts'
import { Listening } from './listening.ts'
import { resolveOptions } from './options.ts'
import type { FastifyChannelsOptions, Resolved } from './options.ts'
import { Complaints, originCheck } from './origin.ts'
import { hasSchemas, Registry } from './registry.ts'
import { ReplyCable } from './reply.ts'
import { cookieName, sessionReader, userFinder } from './session.ts'
import type { ReadSession } from './session.ts'
import { Streams } from './streams.ts'
import { claim, CLOSE_GRACE, isSetUp, websocketOptions } from './websocket.ts'

/** The connections of an app, for the testing kit. */
export const kConnections = Symbol('fastify-channels.connections')
/** The session's cookie and the socket's path, for the testing kit. */
export const kSettings = Symbol('fastify-channels.settings')
const kVisitor = Symbol('fastify-channels.visitor')
const kUserId = Symbol('fastify-channels.userId')
const kReplyCable = Symbol('fastify-channels.replyCable')

declare module 'fastify' {
  interface FastifyInstance {
    /** The cable: broadcasts, disconnects, health. */
    cable: Cable
    /** Registers a channel in this context: its decorators, schemas and validator compiler apply; its HTTP hooks do not. */
    channel: (Class: ChannelClass, options?: { name?: string }) => this
    [kConnections]: Connections
    [kSettings]: Resolved
  }
  interface FastifyReply {
    /** Broadcasts that leave just before this answer does. */
    cable: ReplyCable
  }
  interface FastifyContextConfig {
    /** False: no user is loaded for this route, and `current.user` is null in it. */
    cable?: boolean
  }
  interface FastifyRequest {
    [kVisitor]: { readonly user: User | null } | null
    [kUserId]: string | null
  }
}

async function channels (app: FastifyInstance, given: FastifyChannelsOptions): Promise<void> {
  const options = resolveOptions(given)
  const { limits } = options
  await registerNeighbours(app, given, options)

  const backend = options.cable ?? new InProcessBackend()
  if (options.cable === undefined && cluster.isWorker) app.log.warn('fastify-channels runs in a cluster worker with its in-process cable: broadcasts will not reach the other workers. Use a backend that crosses processes: cable: redisCable({ url })')
  const streams = new Streams()
  const connections = new Connections()
  const heartbeat = new Heartbeat()
  const registry = new Registry(options.declaredOnly)
  const cable = new Cable(backend, app.log)
  const building: Building = {
    cable,
    limits,
    registry,
    listening: new Listening(backend, streams, app.log),
    findUser: userFinder(options.findUser, limits.identifyTimeout)
  }
  const readSession = sessionReader(options.session, limits.identifyTimeout)

  app.decorate('cable', cable)
  app.decorate(kConnections as any, connections)
  app.decorate(kSettings as any, options)
  app.decorateRequest(kVisitor as any, null)
  app.decorateRequest(kUserId as any, null)
  decorateChannel(app, options, registry)
  decorateReply(app)
  if (options.session !== undefined) followVisitors(app, options, readSession, building)
  for (const [name, Class] of Object.entries(options.channels)) app.channel(Class, { name })
  mount(app, options, readSession, (socket, request) => {
    const dialect = dialects.get(socket.protocol) ?? plain
    const connection = new Connection(building, socket, dialect, request, request[kUserId])
    claim(socket)
    connections.add(connection)
    heartbeat.add(connection)
    socket.on('message', (data: Buffer, isBinary: boolean) => connection.receive(data, isBinary))
    socket.on('pong', () => { connection.missed = 0 })
    socket.on('close', () => {
      heartbeat.remove(connection)
      connections.remove(connection)
    })
  })
  if (options.client !== false) serveClient(app, options.client)

  await backend.open({
    app,
    log: app.log,
    deliver: (stream, at, json) => streams.deliver(stream, at, json),
    control: message => {
      const disconnect = readDisconnect(message)
      if (disconnect !== null) connections.disconnect(disconnect)
    },
    gap: () => {}
  })
  app.addHook('onReady', async () => registry.compile())
  app.addHook('preClose', () => connections.close(CLOSE_GRACE))
  app.addHook('onClose', async () => backend.close())
}

/** @fastify/websocket with our settings, @fastify/cookie where it has a secret: registered here, or the app's own. */
async function registerNeighbours (app: FastifyInstance, given: FastifyChannelsOptions, { session, cookie: cookieOptions }: Resolved): Promise<void> {
  if (!app.hasPlugin('@fastify/websocket')) await app.register(websocket, websocketOptions(given.limits))
  else if (!isSetUp(app)) throw new ForeignWebsocket()
  if (cookieOptions !== undefined && app.hasPlugin('@fastify/cookie')) throw new InvalidOption('cookie is for an app without @fastify/cookie, and this app registered it already: leave the option out')
  if (cookieOptions !== undefined) await app.register(cookie, cookieOptions)
  if (session === undefined || typeof session === 'function') return
  if (!app.hasRequestDecorator('cookies')) throw new InvalidOption('session.cookie needs @fastify/cookie: register it before fastify-channels, or pass cookie: { secret }')
  if (session.unsign === undefined && !app.hasRequestDecorator('unsignCookie')) throw new InvalidOption('session.cookie is a signed cookie, so @fastify/cookie needs a secret: await app.register(cookie, { secret })')
}

function decorateChannel (app: FastifyInstance, { path }: Resolved, registry: Registry): void {
  const prepared = new WeakSet<FastifyInstance>()
  app.decorate('channel', function (this: FastifyInstance, Class, { name } = {}) {
    registry.add(this, Class, name)
    // A context has a validator compiler that knows its own schemas only once it has a route with one.
    if (hasSchemas(Class) && !prepared.has(this)) {
      prepared.add(this)
      this.get(`${path}/schemas`, { schema: { hide: true, querystring: { type: 'object' } } as object, config: { cable: false } }, (_request, reply) => reply.callNotFound())
    }
    return this
  })
}

function decorateReply (app: FastifyInstance): void {
  app.decorateReply(kReplyCable as any, null)
  app.decorateReply('cable', {
    getter (this: FastifyReply) {
      const reply = this as FastifyReply & { [kReplyCable]: ReplyCable | null }
      reply[kReplyCable] ??= new ReplyCable(app.cable, this)
      return reply[kReplyCable]
    }
  })
  const used = (reply: FastifyReply) => (reply as FastifyReply & { [kReplyCable]: ReplyCable | null })[kReplyCable]
  app.addHook('onError', async (_request, reply) => used(reply)?.drop())
  app.addHook('onSend', (_request, reply, payload, done) => {
    const replyCable = used(reply)
    if (replyCable === null) done(null, payload)
    else replyCable.leave().then(() => done(null, payload), done)
  })
}

/** `current.user` in HTTP routes. */
function followVisitors (app: FastifyInstance, { session }: Resolved, readSession: ReadSession, { findUser }: Building): void {
  const name = cookieName(session)
  const load = async (request: FastifyRequest) => {
    const userId = await readSession(request)
    return userId === null ? null : await findUser(userId)
  }
  app.addHook('onRequest', (request, _reply, done) => {
    const isAsked = request.routeOptions.config.cable !== false && !request.ws && (name === null || request.cookies[name] !== undefined)
    if (!isAsked) return done()
    load(request).then(user => {
      request[kVisitor] = { user }
      current.run(user, done)
    }, done)
  })
  // Reading a body continues in the context of the socket, not in this request's: enter it again.
  app.addHook('preValidation', (request, _reply, done) => {
    const visitor = request[kVisitor]
    if (visitor === null) done()
    else current.run(visitor.user, done)
  })
}

function mount (app: FastifyInstance, { path, origin, limits }: Resolved, readSession: ReadSession, open: (socket: WebSocket, request: FastifyRequest) => void): void {
  const handshakes = new Handshakes(app.server, limits.upgradeTimeout)
  const isAllowed = originCheck(origin)
  const complaints = new Complaints()
  app.addHook('preClose', async () => handshakes.close())
  app.route({
    method: 'GET',
    url: path,
    config: { cable: false },
    onRequest: async (request, reply) => {
      if (!request.ws) return
      if (!await isAllowed(request)) {
        const shown = String(request.headers.origin).slice(0, 200)
        if (complaints.isNew(shown)) request.log.warn({ origin: shown, host: request.host }, `a page of another origin was refused; to allow it: register(channels, { origin: ${JSON.stringify(shown)} })`)
        return reply.code(403).send({ error: 'Forbidden', message: 'this origin may not connect', statusCode: 403 })
      }
      try {
        request[kUserId] = await readSession(request)
      } catch (error) {
        request.log.error({ err: error }, 'a session could not be read')
        return reply.code(503).header('retry-after', '5').send({ error: 'Service Unavailable', message: 'the session could not be read', statusCode: 503 })
      }
    },
    handler: (_request, reply) => reply.code(426).header('upgrade', 'websocket').send({ error: 'Upgrade Required', message: 'this is the address of a WebSocket', statusCode: 426 }),
    wsHandler: (socket, request) => {
      handshakes.done(request.raw.socket)
      open(socket, request)
    }
  })
}

function serveClient (app: FastifyInstance, url: string): void {
  const { body, etag } = readClient()
  app.get(url, { config: { cable: false }, schema: { hide: true } as object }, (request, reply) => {
    reply.header('etag', etag).header('cache-control', 'no-cache')
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply.type('text/javascript; charset=utf-8').send(body)
  })
}

/** Channels for Fastify. */
export const fastifyChannels = fp(channels, { fastify: '5.x', name: 'fastify-channels' })
