// A TCP proxy in front of a server that can swallow everything without a word, as a broken network does. Changes no byte.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

export class BlackHole {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  readonly #swallowed = new WeakSet<object>()
  #port: number

  private constructor (port: number) {
    this.#port = port
    this.#server = createServer(near => {
      const far = connect(this.#port, '127.0.0.1')
      const pair = [near, far] as const
      this.#pairs.add(pair)
      for (const [from, to] of [[near, far], [far, near]] as const) {
        from.on('data', bytes => { if (!this.#swallowed.has(pair)) to.write(bytes) })
        from.on('close', () => {
          this.#pairs.delete(pair)
          if (!this.#swallowed.has(pair)) to.destroy()
        })
        from.on('error', () => {})
      }
    })
  }

  static async before (port: number): Promise<BlackHole> {
    const hole = new BlackHole(port)
    hole.#server.listen(0, '127.0.0.1')
    await once(hole.#server, 'listening')
    return hole
  }

  get url (): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}/0`
  }

  /** New connections lead to another server. */
  lead (port: number): void {
    this.#port = port
  }

  /** From now on nothing passes on the connections that are there. New ones are whole. */
  swallow (): void {
    for (const pair of this.#pairs) this.#swallowed.add(pair)
  }

  close (): void {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }
}
