// What most tests of the server begin with: an app with channels and a log that can be read, visitors, gates, and journals that can be waited for.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import channels from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'
import type { ConnectOptions, TestConnection } from 'fastify-channels/testing'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import { kConnections } from '../src/plugin.ts'

/** One line of an app's log. */
export interface Line {
  readonly level: number
  readonly msg: string
  readonly err?: { readonly message: string, readonly stack: string, readonly code?: string }
  readonly [detail: string]: any
}

export const secret = 'a secret of at least thirty-two characters'

/** An app, not ready yet, whose log is kept. Whoever is still connected at the end of the test is cut off. */
export function bare (t: Test, options: object = {}): { app: FastifyInstance, log: Line[] } {
  const log: Line[] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } }, ...options })
  t.teardown(async () => {
    for (const connection of app[kConnections] ?? []) connection.terminate()
    await app.close()
  })
  return { app, log }
}

/** An app with a cable. */
export async function setting (t: Test, options: FastifyChannelsOptions = {}, prepare: (app: FastifyInstance) => unknown = () => {}): Promise<{ app: FastifyInstance, log: Line[] }> {
  const { app, log } = bare(t)
  await app.register(channels, options)
  await prepare(app)
  return { app, log }
}

/** The errors and worse of a log. */
export function errors (log: Line[]): Line[] {
  return log.filter(({ level }) => level >= 50)
}

/** The same app on a port: its `injectWS` dials, so that whatever is done in memory can be done over a socket. */
export async function listening (app: FastifyInstance): Promise<FastifyInstance> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
  return Object.create(app, {
    injectWS: {
      async value (path: string, { headers, ...context }: { headers: { [name: string]: string } }, { onInit }: { onInit: (ws: WebSocket) => void }) {
        const { 'sec-websocket-protocol': protocols = '', ...others } = headers
        const ws = new WebSocket(`${address(app)}${path}`, protocols.split(', ').filter(name => name !== ''), { headers: others, perMessageDeflate: false })
        onInit(ws)
        app.server.prependOnceListener('upgrade', request => Object.assign(request, context))
        await once(ws, 'open')
        return ws
      }
    }
  })
}

/** Where an app listens. */
export function address (app: FastifyInstance): string {
  return `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

/** How a test reaches an app: in memory and over a socket, which must make no difference. */
export const ways: ReadonlyArray<[string, (app: FastifyInstance, options?: ConnectOptions) => Promise<TestConnection>]> = [
  ['in memory', connect],
  ['over a socket', async (app, options) => await connect(await listening(app), options)]
]

/** Proves silence: the answer to this is the very next frame. It waits for its turn in that subscription. */
export async function fence (t: Test, ws: TestConnection, what: string, channel = 'NoChannel', params = {}): Promise<void> {
  await ws.perform(channel, '_fence', null, params)
  t.same(ws.frames, [], what)
}

/** Something that is waited for until the test opens it. */
export interface Gate<T = void> extends Promise<T> {
  readonly open: (value: T) => void
  readonly fail: (error: unknown) => void
}

export function gate<T = void> (): Gate<T> {
  let open!: (value: T) => void
  let fail!: (error: unknown) => void
  const promise = new Promise<T>((resolve, reject) => { [open, fail] = [resolve, reject] })
  return Object.assign(promise, { open, fail })
}

/** What happened, in order, and those who wait for the next of it. */
export class Journal<T = any> {
  readonly all: T[] = []
  readonly #waiting: Array<(entry: T) => void> = []
  #read = 0

  put (entry: T): void {
    this.all.push(entry)
    this.#waiting.shift()?.(entry)
  }

  /** The next entry nobody waited for yet. */
  async next (what = 'entry'): Promise<T> {
    const index = this.#read++
    if (index < this.all.length) return this.all[index]!
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no ${what} within 5 s; there were ${JSON.stringify(this.all)}`)), 5000)
    })
    try {
      return await Promise.race([late, new Promise<T>(resolve => this.#waiting.push(resolve))])
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Waits until something is so. */
export async function until (what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within 5 s`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** True where this engine cannot write a value as JSON: newer ones write any depth. */
export function isTooDeep (value: unknown): boolean {
  try {
    return JSON.stringify(value) === undefined
  } catch {
    return true
  }
}
