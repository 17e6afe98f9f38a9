// Sockets that asked to be upgraded and are not yet: Node's own time-outs no longer watch them, so this does. Never sees an open connection.
import type { Duplex } from 'node:stream'
import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'

/** What everybody hears who comes while the server stops. Fastify's own answer does not say when to come back. */
const body = JSON.stringify({ error: 'Service Unavailable', message: 'the server is stopping', statusCode: 503 })
const farewell = `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`

export class Handshakes {
  readonly #ms: number
  /** Each with the time at which it began; the oldest first. One timer for all, so that an open connection keeps nothing of it. */
  readonly #begun = new Map<Socket, number>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  readonly #begin = (_request: IncomingMessage, socket: Duplex): void => {
    // An injected handshake has no socket of Node's, and no stranger behind it.
    if (!(socket instanceof Socket)) return
    if (!this.#isClosed) return this.#watch(socket)
    // Whatever Fastify answers now goes nowhere: this socket has said its last word.
    socket.write(farewell)
    socket.destroySoon()
  }

  readonly #forget: (this: Socket) => void

  /** @param ms how long a handshake may take, the app's hooks included */
  constructor (server: Server, ms: number) {
    this.#ms = ms
    const begun = this.#begun
    this.#forget = function () { begun.delete(this) }
    // Before any hook runs: some read the session, and what becomes of it meanwhile must not be missed.
    server.prependListener('upgrade', this.#begin)
  }

  /** The handshake is over. Gives when it began, as `performance.now()` counts; undefined where none was seen to begin. */
  done (socket: Duplex | undefined): number | undefined {
    if (!(socket instanceof Socket)) return undefined
    const begun = this.#begun.get(socket)
    this.#begun.delete(socket)
    socket.removeListener('close', this.#forget)
    return begun
  }

  /** Ends the handshakes that still hang: nobody will answer them. Whoever comes later is turned away. */
  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const socket of this.#begun.keys()) socket.destroy()
  }

  #watch (socket: Socket): void {
    this.#begun.set(socket, performance.now())
    socket.once('close', this.#forget)
    if (this.#ms !== Infinity && this.#begun.size === 1) this.#wait()
  }

  #wait (): void {
    const [oldest] = this.#begun.values()
    if (oldest === undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const latest = performance.now() - this.#ms
      for (const [socket, begun] of this.#begun) {
        if (begun > latest) break
        this.#begun.delete(socket)
        socket.destroy()
      }
      this.#wait()
    }, Math.max(1, Math.ceil(oldest + this.#ms - performance.now()))).unref()
  }
}
