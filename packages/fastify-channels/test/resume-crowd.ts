// A crowd of clients in a process of its own: each counts what it hears, is offline once for as long as four broadcasts take, and tells what it missed.
import process from 'node:process'
import { Cable } from '@fastify-channels/client'
import { WebSocket } from 'ws'

/** What a crowd heard. */
export interface Tally {
  readonly delivered: number
  /** Broadcasts that never came, came twice, or came too early. */
  readonly faults: number
  readonly gaps: number
  /** How many were away, and came back. */
  readonly back: number
}

/** A second before nobody is there. */
const nowhere = 'ws://127.0.0.1:1/cable'

class Client {
  static said = 0
  readonly #offAt: number
  readonly #cable: Cable
  #socket: WebSocket | null = null
  #isOffline = false
  next = 1
  faults = 0
  gaps = 0
  back = 0

  constructor (url: string, total: number, connected: () => void, ended: () => void) {
    this.#offAt = 1 + Math.floor(Math.random() * (total - 6))
    const client = this
    class Line extends WebSocket {
      constructor (url: string, protocols: string) {
        super(client.#isOffline ? nowhere : url, protocols)
        client.#socket = this
      }
    }
    this.#cable = new Cable({ url, WebSocket: Line })
    this.#cable.subscribe('RoomChannel', {}, {
      connected: ({ reconnected, gap }) => {
        if (gap) this.gaps++
        if (!reconnected) connected()
      },
      received: (n: number) => {
        if (n !== this.next) this.faults += Math.max(1, n - this.next)
        this.next = n + 1
        if (n === total) ended()
      }
    })
  }

  /** So many were said: it goes away without a word, and is back four broadcasts later. */
  move (): void {
    if (!this.#isOffline && Client.said === this.#offAt) {
      this.#isOffline = true
      this.#socket!.terminate()
    }
    if (!this.#isOffline || Client.said < this.#offAt + 4) return
    this.#isOffline = false
    this.back++
  }

  close (): void { this.#cable.disconnect() }
}

/** The parent says where the server is, how many clients and how many broadcasts there will be; then after each how many were said. */
process.on('message', (order: { url: string, count: number, total: number } | { said: number }) => {
  if ('said' in order) {
    Client.said = order.said
    for (const client of clients) client.move()
    return
  }
  let connected = 0
  let ended = 0
  const { url, count, total } = order
  const one = () => {
    clients.push(new Client(url, total, () => { if (++connected === count) process.send!('connected') }, () => {
      if (++ended < count) return
      process.send!({
        delivered: clients.reduce((sum, { next }) => sum + next - 1, 0) - clients.reduce((sum, { faults }) => sum + faults, 0),
        faults: clients.reduce((sum, { faults }) => sum + faults, 0),
        gaps: clients.reduce((sum, { gaps }) => sum + gaps, 0),
        back: clients.reduce((sum, { back }) => sum + back, 0)
      } satisfies Tally)
      for (const client of clients) client.close()
      process.disconnect()
    }))
    if (clients.length < count) setImmediate(one)
  }
  one()
})

const clients: Client[] = []
