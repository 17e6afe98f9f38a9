// The plugin: decorates, mounts, hooks, and puts the house together; leaves the work to the floors below.
import cluster from 'node:cluster'
import type { EventEmitter } from 'node:events'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import { closeCodes, dialects } from '@fastify-channels/protocol'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import type { WebSocket } from 'ws'
import { readClient } from './asset.ts'
import { Cable } from './cable.ts'
import type { ChannelClass } from './channel.ts'
import { Connection } from './connection.ts'
import type { Premises } from './connection.ts'
import { Connections } from './connections.ts'
import { readControl } from './control.ts'
import { mountEndpoint } from './endpoint.ts'
import { compressionThreshold } from './deflate.ts'
import { ForeignWebsocket, InvalidOption } from './errors.ts'
import { InProcessBackend } from './in-process.ts'
import { Listening } from './listening.ts'
import { resolveOptions } from './options.ts'
import type { FastifyChannelsOptions, Resolved } from './options.ts'
import { hasSchemas, Registry } from './registry.ts'
import { ReplyCable } from './reply.ts'
import { SessionWatch } from './session-watch.ts'
import { sessionReader, userFinder } from './session.ts'
import { Streams } from './streams.ts'
import { followVisitors } from './visitors.ts'
import { CLOSE_GRACE, isCompressed, isSetUp, kConnection, refuseUpgradesElsewhere, websocketOptions } from './websocket.ts'

/** The connections of an app, for the testing kit. */
export const kConnections = Symbol('fastify-channels.connections')
/** The session's cookie and the socket's path, for the testing kit. */
export const kSettings = Symbol('fastify-channels.settings')
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
}

/** A socket that carries a connection. */
type Carried = WebSocket & { [kConnection]: Connection }

async function channels (app: FastifyInstance, given: FastifyChannelsOptions): Promise<void> {
  const options = resolveOptions(given)
  const { limits, session, retentionOf } = options
  await registerNeighbours(app, given, options)

  const backend = options.cable ?? new InProcessBackend(limits.historyBytes)
  if (options.cable === undefined && cluster.isWorker) app.log.warn('fastify-channels runs in a cluster worker with its in-process cable: broadcasts will not reach the other workers. Use a backend that crosses processes: cable: redisCable({ url })')
  const streams = new Streams(compressionThreshold(options.compress))
  const connections = new Connections(limits)
  const registry = new Registry(options.declaredOnly)
  const cable = new Cable(backend, app.log, retentionOf, () => ({ connections: connections.size, subscriptions: connections.subscriptions, streams: streams.size }))
  const premises: Premises = {
    cable,
    limits,
    registry,
    listening: new Listening(backend, streams, retentionOf, app.log),
    findUser: userFinder(options.findUser, limits.identifyTimeout),
    slowPolicyOf: stream => {
      try {
        return options.slowPolicyOf(stream)
      } catch (error) {
        // In the middle of a broadcast: whoever comes after this peer must not miss it for that.
        app.log.error({ err: error, stream }, 'the option slow failed')
        return 'close'
      }
    }
  }
  // Shorter than the handshake itself, so that a store that hangs gets an answer and not a cut line.
  const readSession = sessionReader(session, Math.min(limits.identifyTimeout, limits.upgradeTimeout * 0.8))

  app.decorate('cable', cable)
  app.decorate(kConnections as any, connections)
  app.decorate(kSettings as any, options)
  decorateChannel(app, options, registry)
  decorateReply(app)
  if (session !== undefined) followVisitors(app, session, readSession, premises.findUser)
  for (const [name, Class] of Object.entries(options.channels)) app.channel(Class, { name })
  // Made once for all sockets: each finds its connection on itself.
  const heard = function (this: Carried, data: Buffer, isBinary: boolean) {
    const connection = this[kConnection]
    try {
      connection.receive(data, isBinary)
    } catch (error) {
      // What nobody expected ends this connection and no other.
      connection.log.error({ err: error }, 'a connection failed')
      connection.close(closeCodes.failure, 'error', 'error')
    }
  }
  const answered = function (this: Carried) { this[kConnection].missed = 0 }
  const closed = function (this: Carried) { connections.remove(this[kConnection]) }
  mountEndpoint(app, options, readSession, connections, (socket, request, handshake) => {
    const dialect = dialects.get(socket.protocol)!
    const connection = new Connection(premises, socket, dialect, request, handshake.session)
    Object.assign(socket, { [kConnection]: connection })
    const events: EventEmitter = socket
    events.on('message', heard).on('pong', answered).on('close', closed)
    connections.add(connection, handshake.since)
  })
  if (options.client !== false) serveClient(app, options.client)

  await backend.open({
    app,
    log: app.log,
    deliver: (stream, broadcast) => streams.deliver(stream, broadcast),
    control: message => {
      const control = readControl(message)
      if (control !== null) connections.control(control)
    },
    gap: (stream, at) => streams.gap(stream, at)
  })
  const check = typeof session === 'object' ? session.check : undefined
  const watch = check === undefined ? null : new SessionWatch(connections, check, limits.identifyTimeout, app.log)
  app.addHook('onReady', async () => registry.compile())
  app.addHook('preClose', () => connections.close(CLOSE_GRACE))
  app.addHook('onClose', async () => {
    watch?.close()
    await backend.close()
  })
}

/** @fastify/websocket with our settings, @fastify/cookie where it has a secret: registered here, or the app's own. */
async function registerNeighbours (app: FastifyInstance, given: FastifyChannelsOptions, { session, compress, cookie: cookieOptions }: Resolved): Promise<void> {
  if (!app.hasPlugin('@fastify/websocket')) await app.register(websocket, websocketOptions(given.limits, compress))
  else if (!isSetUp(app)) throw new ForeignWebsocket()
  if (compressionThreshold(compress) !== null && !isCompressed(app)) throw new InvalidOption('compress needs a @fastify/websocket that compresses: register channels first, or write: await app.register(websocket, websocketOptions(limits, compress))')
  refuseUpgradesElsewhere(app)
  if (cookieOptions !== undefined && app.hasPlugin('@fastify/cookie')) throw new InvalidOption('cookie is for an app without @fastify/cookie, and this app registered it already: leave the option out')
  if (cookieOptions !== undefined) await app.register(cookie, cookieOptions)
  if (session === undefined || typeof session === 'function') return
  if (!app.hasRequestDecorator('cookies')) throw new InvalidOption('session.cookie needs @fastify/cookie: register it before fastify-channels, or pass cookie: { secret }')
  if (session.unsign === undefined && !app.hasRequestDecorator('unsignCookie')) throw new InvalidOption('session.cookie is a signed cookie, so @fastify/cookie needs a secret: await app.register(cookie, { secret })')
}

function decorateChannel (app: FastifyInstance, { path }: Resolved, registry: Registry): void {
  const prepared = new WeakSet<FastifyInstance>()
  let contexts = 0
  app.decorate('channel', function (this: FastifyInstance, Class, { name } = {}) {
    registry.add(this, Class, name)
    // A context has a validator compiler that knows its own schemas only once it has a route with one.
    if (hasSchemas(Class) && !prepared.has(this)) {
      prepared.add(this)
      this.get(`${path}/schemas/${++contexts}`, { schema: { hide: true, querystring: { type: 'object' } } as object, config: { cable: false } }, (_request, reply) => reply.callNotFound())
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
