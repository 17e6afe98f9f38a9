// Sockets that asked to be upgraded and are not yet: Node's own time-outs no longer watch them, so this does. Never sees an open connection.
import type { Duplex } from 'node:stream'
import type { IncomingMessage, Server } from 'node:http'
import { Socket } from 'node:net'

export class Handshakes {
  readonly #ms: number
  readonly #sockets = new Set<Socket>()
  #isClosed = false
  readonly #begin = (_request: IncomingMessage, socket: Duplex): void => {
    // An injected handshake has no socket of Node's, and no stranger behind it.
    if (!(socket instanceof Socket)) return
    if (!this.#isClosed) this.#watch(socket)
    // Fastify has answered 503 by then; nobody ends the socket of an answer that never was a request of Node's.
    else setImmediate(() => socket.destroySoon())
  }

  /** @param ms how long a handshake may take, the app's hooks included */
  constructor (server: Server, ms: number) {
    this.#ms = ms === Infinity ? 0 : ms
    server.on('upgrade', this.#begin)
  }

  /** The handshake is over; ws has taken the socket and cleared its time-out. */
  done (socket: Duplex | undefined): void {
    if (!(socket instanceof Socket)) return
    this.#sockets.delete(socket)
    socket.removeListener('timeout', destroy)
  }

  /** Ends the handshakes that still hang: nobody will answer them. Whoever comes later is turned away. */
  close (): void {
    this.#isClosed = true
    for (const socket of this.#sockets) socket.destroy()
  }

  #watch (socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.setTimeout(this.#ms)
    socket.once('timeout', destroy)
  }
}

function destroy (this: Socket): void {
  this.destroy()
}
