// A WebSocket server that says only what a test tells it to. Real sockets on a port of its own; it understands nothing by itself.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import type { ServerOptions } from 'ws'

/** What is waited for, in the order it came. */
export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting: Array<(item: T) => void> = []

  put (item: T): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next(item)
    else this.#items.push(item)
  }

  next (): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift()!)
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** What came and was not looked at yet. */
  get rest (): readonly T[] {
    return this.#items
  }
}

/** One client, seen from the server. */
export class Peer {
  readonly socket: WebSocket
  readonly #commands = new Inbox<any>()
  readonly closed: Promise<number>

  constructor (socket: WebSocket) {
    this.socket = socket
    socket.on('message', data => this.#commands.put(JSON.parse(String(data))))
    this.closed = new Promise(resolve => socket.on('close', resolve))
  }

  /** The next command of the client. */
  next (): Promise<any> {
    return this.#commands.next()
  }

  say (...frames: object[]): void {
    for (const frame of frames) this.socket.send(JSON.stringify(frame))
  }

  /** Settles with what the client said until it answered a ping: everything it had to say. */
  async rest (): Promise<any[]> {
    this.say({ type: 'ping' })
    const commands = []
    for (let command = await this.next(); command.command !== 'pong'; command = await this.next()) commands.push(command)
    return commands
  }

  /** Takes the next command, a subscribe, and confirms it. */
  async accept (confirmation: { streams?: object, recovered?: boolean | null } = {}): Promise<any> {
    const command = await this.next()
    this.confirm(command, confirmation)
    return command
  }

  confirm ({ channel, params, ref }: any, { streams = {}, recovered = null }: { streams?: object, recovered?: boolean | null } = {}): void {
    this.say({ type: 'confirm_subscription', channel, params, ref, streams, recovered })
  }

  /** Ends the connection; the client comes back at once. */
  restart (): void {
    this.say({ type: 'disconnect', reason: 'server_restart', reconnect: true, retryIn: 0 })
    this.socket.close(1012)
  }
}

export class ScriptedServer {
  readonly #server: WebSocketServer
  readonly #peers = new Inbox<Peer>()

  private constructor (server: WebSocketServer) {
    this.#server = server
    server.on('connection', socket => this.#peers.put(new Peer(socket)))
  }

  static async start (options: ServerOptions = {}): Promise<ScriptedServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options })
    const scripted = new ScriptedServer(server)
    await once(server, 'listening')
    return scripted
  }

  get port (): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/cable`
  }

  /** The next connection nobody asked for yet. */
  peer (): Promise<Peer> {
    return this.#peers.next()
  }

  /** Connections nobody asked for. */
  get rest (): readonly Peer[] {
    return this.#peers.rest
  }

  async close (): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate()
    if (this.#server.address() === null) return
    this.#server.close()
    await once(this.#server, 'close')
  }
}
