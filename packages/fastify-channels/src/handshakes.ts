// Sockets that asked to be upgraded and are not yet: Node's own time-outs no longer watch them, so this does. Never sees an open connection.
import type { Duplex } from 'node:stream'
import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'

export class Handshakes {
  readonly #ms: number
  /** Each with the time at which it is cut; the oldest first. One timer for all, so that an open connection keeps nothing of it. */
  readonly #deadlines = new Map<Socket, number>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  readonly #begin = (_request: IncomingMessage, socket: Duplex): void => {
    // An injected handshake has no socket of Node's, and no stranger behind it.
    if (!(socket instanceof Socket)) return
    if (!this.#isClosed) this.#watch(socket)
    // Fastify has answered 503 by then; nobody ends the socket of an answer that never was a request of Node's.
    else setImmediate(() => socket.destroySoon())
  }

  readonly #forget: (this: Socket) => void

  /** @param ms how long a handshake may take, the app's hooks included */
  constructor (server: Server, ms: number) {
    this.#ms = ms
    const deadlines = this.#deadlines
    this.#forget = function () { deadlines.delete(this) }
    server.on('upgrade', this.#begin)
  }

  /** The handshake is over. */
  done (socket: Duplex | undefined): void {
    if (!(socket instanceof Socket)) return
    this.#deadlines.delete(socket)
    socket.removeListener('close', this.#forget)
  }

  /** Ends the handshakes that still hang: nobody will answer them. Whoever comes later is turned away. */
  close (): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const socket of this.#deadlines.keys()) socket.destroy()
  }

  #watch (socket: Socket): void {
    this.#deadlines.set(socket, performance.now() + this.#ms)
    socket.once('close', this.#forget)
    if (this.#ms !== Infinity && this.#deadlines.size === 1) this.#wait()
  }

  #wait (): void {
    const [deadline] = this.#deadlines.values()
    if (deadline === undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const now = performance.now()
      for (const [socket, deadline] of this.#deadlines) {
        if (deadline > now) break
        this.#deadlines.delete(socket)
        socket.destroy()
      }
      this.#wait()
    }, Math.max(1, Math.ceil(deadline - performance.now()))).unref()
  }
}
