// The endpoint: the one route where a WebSocket may begin. Turns strangers away before the upgrade; what is open is somebody else's.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Connections } from './connections.ts'
import { Handshakes } from './handshakes.ts'
import { hostCheck } from './host.ts'
import type { Resolved } from './options.ts'
import { Complaints, originCheck } from './origin.ts'
import type { ReadSession, Session } from './session.ts'
import { releaseHandshake } from './websocket.ts'

/** What a handshake found out about its visitor. */
export interface Handshake {
  readonly session: Session
  /** When it began, as `performance.now()` counts. */
  readonly since: number
}

const kHandshake = Symbol('fastify-channels.handshake')
type Shaken = FastifyRequest & { [kHandshake]: Handshake }

/** Opens the way for sockets; `open` takes each one that came through. */
export function mountEndpoint (app: FastifyInstance, { path, origin, hosts, limits }: Resolved, readSession: ReadSession, connections: Connections, open: (socket: WebSocket, request: FastifyRequest, handshake: Handshake) => void): void {
  const handshakes = new Handshakes(app.server, limits.upgradeTimeout)
  const isAllowed = originCheck(origin)
  const checkHost = hostCheck(hosts)
  const complaints = new Complaints()
  let isStopping = false
  app.decorateRequest(kHandshake as any, null)
  app.addHook('preClose', async () => {
    isStopping = true
    handshakes.close()
  })
  const isFull = (request: FastifyRequest, reply: FastifyReply): boolean => {
    const [status, why] = isStopping
      ? [503, 'the server is stopping']
      : connections.size >= limits.maxConnections
        ? [503, 'too many connections']
        : connections.from(request.ip) >= limits.connectionsPerIp ? [429, 'too many connections from this address'] : [null, '']
    if (status !== null) refuse(reply.header('retry-after', '5'), status, why)
    return status !== null
  }
  app.route({
    method: 'GET',
    url: path,
    config: { cable: false },
    schema: { hide: true } as object,
    onRequest: async (request, reply) => {
      if (!request.ws) return
      const since = performance.now()
      const status = checkHost(request)
      if (status !== null) return refuse(reply, status, status === 400 ? 'the Host header names no host' : 'this is none of our hosts')
      if (isFull(request, reply)) return reply
      if (!await isAllowed(request)) {
        const shown = String(request.headers.origin).slice(0, 200)
        if (complaints.isNew(shown)) request.log.warn({ origin: shown, host: request.host }, `a page of another origin was refused; to allow it: register(channels, { origin: ${JSON.stringify(shown)} })`)
        return refuse(reply, 403, 'this origin may not connect')
      }
      try {
        (request as Shaken)[kHandshake] = { session: await readSession(request), since }
      } catch (error) {
        request.log.error({ err: error }, 'a session could not be read')
        return refuse(reply.header('retry-after', '5'), 503, 'the session could not be read')
      }
      // Others may have come in while the session was read.
      if (isFull(request, reply)) return reply
    },
    handler: (_request, reply) => refuse(reply.header('upgrade', 'websocket'), 426, 'this is the address of a WebSocket'),
    wsHandler: (socket, request) => {
      const { [kHandshake]: { session, since } } = request as Shaken
      // A hook before ours may have read the session already, so what counts is when the bytes came.
      const handshake = { session, since: handshakes.done(request.raw.socket) ?? since }
      // The request stays for the life of its connection; this is done.
      Object.assign(request, { [kHandshake]: null })
      releaseHandshake(request.raw)
      open(socket, request, handshake)
    }
  })
}

const titles = new Map([[400, 'Bad Request'], [403, 'Forbidden'], [426, 'Upgrade Required'], [429, 'Too Many Requests'], [503, 'Service Unavailable']])

function refuse (reply: FastifyReply, statusCode: number, message: string): FastifyReply {
  return reply.code(statusCode).send({ error: titles.get(statusCode), message, statusCode })
}
