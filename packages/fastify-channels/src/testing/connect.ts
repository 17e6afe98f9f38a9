// Talks to an app's cable without a port (guide §13): opens a session in memory, says commands, and hands out the frames that come back.
import { identify } from '@fastify-channels/protocol'
import type { Frame, Json, Params, ReplyFrame } from '@fastify-channels/protocol'
import type { FastifyInstance } from 'fastify'
import type { WebSocket } from 'ws'
import type { Connection } from '../connection.ts'
import { cookieName } from '../session.ts'
import { kConnections, kSettings } from '../plugin.ts'

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
  const { path } = app[kSettings]
  const headers = { host: 'localhost', ...options.headers } as { [name: string]: string }
  const cookie = cookieHeader(app, options)
  if (cookie !== '') headers.cookie = cookie
  if (options.protocols !== undefined) headers['sec-websocket-protocol'] = [options.protocols].flat().join(', ')
  // The mark travels with the raw request, so that the server's side of this very session can be found.
  const mark = {}
  const inbox = new Inbox(options.timeout ?? 2000)
  const ws = await app.injectWS(path, { headers, [kTest]: mark } as object, { onInit: ws => inbox.listen(ws) })
  const connection = [...app[kConnections]].find(({ request }) => (request.raw as { [kTest]?: unknown })[kTest] === mark)
  return new TestConnection(app, ws, inbox, connection!)
}

/** Everything that arrived, in order, and those who wait for it. */
class Inbox {
  readonly #timeout: number
  readonly #frames: Frame[] = []
  readonly #seen: string[] = []
  readonly #waiting: Array<{ wants: (frame: Frame) => boolean, resolve: (frame: Frame) => void }> = []
  #isClosed = false

  constructor (timeout: number) {
    this.#timeout = timeout
  }

  listen (ws: WebSocket): void {
    ws.on('message', (data: Buffer) => this.#arrived(data.toString()))
    ws.on('close', () => { this.#isClosed = true })
  }

  /** The next frame that `wants` accepts; what comes before it stays for others. */
  take (what: string, wants: (frame: Frame) => boolean): Promise<Frame> {
    const index = this.#frames.findIndex(wants)
    if (index >= 0) return Promise.resolve(this.#frames.splice(index, 1)[0]!)
    return new Promise((resolve, reject) => {
      const waiter = { wants, resolve: (frame: Frame) => { clearTimeout(timer); resolve(frame) } }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        const seen = this.#seen.length === 0 ? 'nothing arrived' : `these arrived:\n  ${this.#seen.join('\n  ')}`
        reject(new Error(`no ${what} within ${this.#timeout} ms${this.#isClosed ? ' (the connection is closed)' : ''}; ${seen}`))
      }, this.#timeout)
      this.#waiting.push(waiter)
    })
  }

  #arrived (text: string): void {
    this.#seen.push(text)
    const frame: Frame = JSON.parse(text)
    const index = this.#waiting.findIndex(({ wants }) => wants(frame))
    if (index < 0) this.#frames.push(frame)
    else this.#waiting.splice(index, 1)[0]!.resolve(frame)
  }
}

/** One session with the cable. Every wait has a deadline, and its error shows what did arrive. */
export class TestConnection {
  readonly #app: FastifyInstance
  readonly #ws: WebSocket
  readonly #inbox: Inbox
  readonly #connection: Connection
  readonly #closed: Promise<{ code: number, reason: string }>
  #calls = 0

  constructor (app: FastifyInstance, ws: WebSocket, inbox: Inbox, connection: Connection) {
    this.#app = app
    this.#ws = ws
    this.#inbox = inbox
    this.#connection = connection
    this.#closed = new Promise(resolve => ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() })))
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

  /** Settles with the close code and reason once the server has closed. */
  get closed (): Promise<{ code: number, reason: string }> {
    return this.#closed
  }

  /** Hangs up, and settles when the server has run every `unsubscribed()` of this session. */
  async close (): Promise<void> {
    // A graceful close would wait for a FIN that a socket in memory never sends.
    this.#ws.terminate()
    await this.#closed
    const connections = this.#app[kConnections]
    while ([...connections].includes(this.#connection)) await new Promise(resolve => setImmediate(resolve))
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
