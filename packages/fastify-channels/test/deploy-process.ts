// The other end of a deploy test's process, and those who visit it: real clients, and peers that fall silent. Judges nothing.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { Cable } from '@fastify-channels/client/core'
import type { ConnectedEvent, DisconnectedEvent, Subscription } from '@fastify-channels/client/core'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { Farewell } from './deploy-app.ts'
import { encode } from '../src/frame.ts'

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  readonly farewell: Farewell | undefined
}

export class AppProcess {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, (value: any) => void>()
  readonly #exit: Promise<Exit>
  #farewell: Farewell | undefined
  #count = 0
  port = 0

  private constructor (child: ChildProcess) {
    this.#child = child
    child.on('message', ({ id, value, farewell }: any) => {
      this.#farewell ??= farewell
      this.#asked.get(id)?.(value)
    })
    this.#exit = once(child, 'exit').then(([code, signal]) => ({ code, signal, farewell: this.#farewell }))
  }

  /** A process whose app is ready, and listens nowhere yet. */
  static async start (t: Test, url = ''): Promise<AppProcess> {
    // Nothing of the test runner's: an app starts as an app does.
    const execArgv = process.execArgv.filter(arg => !arg.includes('tapjs'))
    const child = fork(new URL('deploy-app.ts', import.meta.url), { execArgv, env: { ...process.env, REDIS_URL: url } })
    const one = new AppProcess(child)
    t.teardown(() => one.kill())
    await Promise.race([once(child, 'message'), one.#exit.then(({ code }) => { throw new Error(`the process ended at once, with ${code}`) })])
    return one
  }

  async listen (port = 0): Promise<this> {
    this.port = await this.ask('listen', port)
    return this
  }

  get url (): string {
    return `ws://127.0.0.1:${this.port}/cable`
  }

  /** Has something done there. */
  ask (name: string, ...args: unknown[]): Promise<any> {
    const id = ++this.#count
    const answer = new Promise(resolve => this.#asked.set(id, resolve))
    this.#child.send({ id, name, args })
    return answer
  }

  /** Stops it as a deploy does. Settles when it has ended, by itself. */
  async stop (): Promise<Exit> {
    this.#child.kill('SIGTERM')
    return await this.#exit
  }

  async kill (): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exit
  }
}

/** A client with one room, and all it was told. */
export class Visitor {
  readonly cable: Cable
  readonly room: Subscription
  readonly events: Array<ConnectedEvent | DisconnectedEvent> = []
  readonly heard: unknown[] = []
  /** The `disconnect` frames it was sent. */
  readonly farewells: any[] = []
  /** When each of its sockets was made. */
  readonly attempts: number[] = []
  /** When it was told that a socket was lost, one of those that never opened included. */
  readonly losses: number[] = []

  constructor (t: Test, url: string, room: string, random = Math.random) {
    const visitor = this
    this.cable = new Cable({
      url,
      random,
      WebSocket: class extends WebSocket {
        constructor (url: string, protocols: string) {
          super(url, protocols, { perMessageDeflate: false })
          visitor.attempts.push(performance.now())
          this.on('close', () => visitor.losses.push(performance.now()))
          this.on('message', bytes => {
            const text = String(bytes)
            if (text.startsWith('{"type":"disconnect"')) visitor.farewells.push(JSON.parse(text))
          })
        }
      }
    })
    t.teardown(() => this.cable.disconnect())
    this.room = this.cable.subscribe('RoomChannel', { room }, {
      connected: event => { this.events.push(event) },
      disconnected: event => { this.events.push(event) },
      received: data => { this.heard.push(data) }
    })
  }

  get isConnected (): boolean {
    return this.room.state === 'connected'
  }

  /** How often it was told that it is connected. */
  get connects (): number {
    return this.events.filter(event => 'recovered' in event).length
  }
}

/** A peer on bare TCP: shakes hands, subscribes, and then neither reads nor answers until it is asked to. */
export class SilentPeer {
  readonly socket: Socket
  readonly closed: Promise<unknown>
  text = ''

  constructor (port: number, path = '/cable') {
    this.socket = createConnection(port, '127.0.0.1')
    this.socket.setEncoding('latin1').on('data', text => { this.text += text }).on('error', () => {})
    this.closed = once(this.socket, 'close')
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: channels-v1\r\n\r\n`)
  }

  /** Says a short text, masked with zeros. */
  say (command: object): void {
    const frame = encode(JSON.stringify(command))
    this.socket.write(Buffer.concat([frame.subarray(0, 1), Buffer.from([frame[1]! | 0x80]), Buffer.alloc(4), frame.subarray(2)]))
  }

  subscribe (room: string): void {
    this.say({ command: 'subscribe', channel: 'RoomChannel', params: { room } })
  }

  get isConfirmed (): boolean {
    return this.text.includes('confirm_subscription')
  }

  fallSilent (): void {
    this.socket.pause()
  }
}
