// Talks to an app's cable without a port (guide §13): opens a session in memory, says commands, and hands out the frames that come back.
import { identify } from '@fastify-channels/protocol'
import type { Frame, Json, Params, ReplyFrame } from '@fastify-channels/protocol'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import type { Connection } from '../connection.ts'
import { cookieName } from '../session.ts'
import { kConnections, kSettings } from '../plugin.ts'
import { Inbox } from './inbox.ts'
import type { Closed } from './inbox.ts'

export interface ConnectOptions {
  /** Cookies to carry into the handshake: a map, or the `cookies` of an `app.inject()` answer, as a browser would keep them. */
  readonly cookies?: { readonly [name: string]: string } | ReadonlyArray<{ readonly name: string, readonly value: string }>
  /** Signs this value as the app's session cookie and carries it: the shortest way to sign in. */
  readonly session?: string
  readonly headers?: { readonly [name: string]: string }
  /** Offered subprotocols; none by default: the frames of guide §11. */
  readonly protocols?: string | readonly string[]
  /** How long a wait may take, in milliseconds; default 2000. */
  readonly timeout?: number
}

const kTest = Symbol('fastify-channels.test')

/**
 * Connects to the app's cable in memory. The app is made ready first.
 *
 * @example
 * const ws = await connect(app, { session: 'ana' })
 * const confirm = await ws.subscribe('ChatChannel', { room: 'general' })
 */
export async function connect (app: FastifyInstance, options: ConnectOptions = {}): Promise<TestConnection> {
  await app.ready()
  if (app[kSettings] === undefined) throw new Error('connect(app): this app has no cable; await app.register(channels, …) with `import channels from \'fastify-channels\'`')
  const { path } = app[kSettings]
  const headers = { host: 'localhost', ...options.headers } as { [name: string]: string }
  const cookie = cookieHeader(app, options)
  if (cookie !== '') headers.cookie = cookie
  if (options.protocols !== undefined) headers['sec-websocket-protocol'] = [options.protocols].flat().join(', ')
  // The mark travels with the raw request, so that the server's side of this very session can be found.
  const mark = {}
  const inbox = new Inbox(options.timeout ?? 2000)
  const ws = await inbox.within('answer to the handshake', app.injectWS(path, { headers, [kTest]: mark } as object, { onInit: ws => inbox.listen(ws) }))
  const connection = [...app[kConnections]].find(({ request }) => (request.raw as { [kTest]?: unknown })[kTest] === mark)
  return new TestConnection(app, ws, inbox, connection!)
}

/** One session with the cable. Every wait has a deadline, and its error shows what did arrive. */
export class TestConnection {
  readonly #app: FastifyInstance
  readonly #ws: WebSocket
  readonly #inbox: Inbox
  readonly #connection: Connection
  #calls = 0

  constructor (app: FastifyInstance, ws: WebSocket, inbox: Inbox, connection: Connection) {
    this.#app = app
    this.#ws = ws
    this.#inbox = inbox
    this.#connection = connection
  }

  /** Subscribes and settles with the answer: `confirm_subscription` or `reject_subscription`. */
  subscribe (channel: string, params: Params = {}): Promise<Frame> {
    this.send({ command: 'subscribe', channel, params })
    const key = identify(channel, params)
    return this.#inbox.take(`answer to the subscribe of ${key}`, frame =>
      (frame.type === 'confirm_subscription' || frame.type === 'reject_subscription') && identify(frame.channel, frame.params) === key)
  }

  /** Calls an action and settles with its reply, so that all it did is done. Other frames stay for `receive`. */
  async perform (channel: string, action: string, data: Json = {}, params: Params = {}): Promise<ReplyFrame> {
    const id = `test-${++this.#calls}`
    this.send({ command: 'message', channel, params, action, data, id })
    return await this.#inbox.take(`reply to ${channel}.${action}()`, frame => frame.type === 'reply' && frame.id === id) as ReplyFrame
  }

  /** Leaves a subscription; like the client's, this has no answer. */
  unsubscribe (channel: string, params: Params = {}): void {
    this.send({ command: 'unsubscribe', channel, params })
  }

  /** Says a command of any shape; a string goes as it is. */
  send (command: unknown): void {
    this.#ws.send(typeof command === 'string' ? command : JSON.stringify(command))
  }

  /** The next frame, in the order of arrival. */
  receive (): Promise<Frame> {
    return this.#inbox.take('frame', () => true)
  }

  /**
   * What has arrived and nobody took: after a `perform` on a subscription, all there is of it.
   *
   * @example
   * await ws.perform('ChatChannel', 'speak')
   * assert.deepEqual(ws.frames, []) // nobody in this room heard anything
   */
  get frames (): readonly Frame[] {
    return this.#inbox.frames
  }

  /** Settles with the close code and reason once the server has closed. */
  get closed (): Promise<Closed> {
    return this.#inbox.ended()
  }

  /** Hangs up, and settles when the server has run every `unsubscribed()` of this session. */
  async close (): Promise<void> {
    // A graceful close would wait for a FIN that a socket in memory never sends.
    this.#ws.terminate()
    await this.#inbox.ended()
    const connections = this.#app[kConnections]
    await this.#inbox.until('end of the connection', () => ![...connections].includes(this.#connection))
    await connections.ended()
  }
}

function cookieHeader (app: FastifyInstance, { cookies = {}, session }: ConnectOptions): string {
  const pairs = Array.isArray(cookies) ? cookies.map(({ name, value }) => [name, value]) : Object.entries(cookies)
  if (session !== undefined) {
    const name = cookieName(app[kSettings].session)
    if (name === null) throw new Error('connect(app, { session }): this app reads its session with a function, so sign in with cookies or headers')
    pairs.push([name, app.signCookie(session)])
  }
  return pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; ')
}
