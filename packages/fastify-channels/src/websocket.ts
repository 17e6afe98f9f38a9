// How @fastify/websocket must be set up to carry a cable: sizes, subprotocols, and an end with a word. Knows no channels.
import type { IncomingMessage } from 'node:http'
import type { WebsocketPluginOptions } from '@fastify/websocket'
import { chooseDialect } from '@fastify-channels/protocol'
import type { FastifyInstance } from 'fastify'
import { compressionThreshold } from './deflate.ts'
import type { CompressOption } from './deflate.ts'
import { InvalidOption } from './errors.ts'
import { resolveLimits } from './limits.ts'
import type { LimitOptions } from './limits.ts'

/** How long a peer may take to answer our close. */
export const CLOSE_GRACE = 2000

const MOST_INFLATED = 1024 * 1024

/** Answers with a subprotocol of ours or with none: never "the first one offered". */
function handleProtocols (offered: Set<string>): string | false {
  return chooseDialect(offered).name || false
}

/**
 * The options an app gives to @fastify/websocket where it registers it before fastify-channels.
 *
 * @example await app.register(websocket, websocketOptions())
 */
export function websocketOptions (limits: LimitOptions = {}, compress: CompressOption = false): WebsocketPluginOptions {
  const { maxPayload, maxFragments, maxBufferedChunks, maxPendingPongs } = resolveLimits(limits)
  const deflates = compressionThreshold(compress) !== null
  // A bomb inflates to what a message may have at most, so that must be little.
  if (deflates && maxPayload > MOST_INFLATED) throw new InvalidOption('compress needs limits.maxPayload of at most 1 MiB')
  return {
    options: {
      maxPayload: orNone(maxPayload),
      maxFragments: orNone(maxFragments),
      maxBufferedChunks: orNone(maxBufferedChunks),
      maxPendingAutoPongs: orNone(maxPendingPongs),
      handleProtocols,
      perMessageDeflate: deflates && { serverNoContextTakeover: true, clientNoContextTakeover: true },
      closeTimeout: CLOSE_GRACE
    } as NonNullable<WebsocketPluginOptions['options']>,
    errorHandler (error, socket, request) {
      const { code } = error as NodeJS.ErrnoException
      // A peer that breaks the wire or its line is nothing to wake anybody for; an error without a code is ours.
      request.log[code === undefined ? 'error' : 'debug']({ err: error }, 'a websocket failed')
      // ws has closed such a socket already, with the code that says why.
      if (!code?.startsWith('WS_ERR_')) socket.terminate()
    },
    async preClose (this: FastifyInstance) {
      // Runs beside the cable's own farewell: sockets of the app's other routes get theirs here.
      for (const client of this.websocketServer.clients) if (!isCableSocket(client)) client.close(1001)
      this.websocketServer.close()
    }
  }
}

/** ws says 0 where we say Infinity. */
function orNone (limit: number): number {
  return limit === Infinity ? 0 : limit
}

/**
 * Keeps upgrades away from routes without a socket: @fastify/websocket would answer 101 there and close.
 * Call it once, after @fastify/websocket is registered; routes that were there before this are not seen.
 */
export function refuseUpgradesElsewhere (app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    if (route.websocket || route.wsHandler !== undefined) return
    const { handler } = route
    route.handler = function (request, reply) {
      return request.ws ? reply.code(404).send({ error: 'Not Found', message: 'there is no WebSocket here', statusCode: 404 }) : handler.call(this, request, reply)
    }
  })
}

/** True when @fastify/websocket runs with `websocketOptions()`. */
export function isSetUp (app: FastifyInstance): boolean {
  return app.websocketServer.options.handleProtocols === handleProtocols
}

/** True when its sockets may be compressed. */
export function isCompressed (app: FastifyInstance): boolean {
  return Boolean(app.websocketServer.options.perMessageDeflate)
}

let kHead: symbol | undefined

/** Lets go of what was only for the handshake: @fastify/websocket keeps the bytes of the whole request, for as long as the socket is open. */
export function releaseHandshake (request: IncomingMessage): void {
  kHead ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === 'ws-head')
  if (kHead !== undefined && kHead in request) Object.assign(request, { [kHead]: null })
}

/** Where a socket of the cable has its connection. */
export const kConnection = Symbol('fastify-channels.connection')

function isCableSocket (socket: object): boolean {
  return kConnection in socket
}
