// The app that hostile input is said to: six channels, a log that is kept, and counts of what ran.
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import channels, { Channel } from 'fastify-channels'
import type { FastifyChannelsOptions } from 'fastify-channels'
import { kConnections } from '../../src/plugin.ts'

const room = { type: 'object', required: ['room'], properties: { room: { type: 'string', minLength: 1 } } }

/** How often hooks and things that must not run did run. */
export const ran = new Map<string, number>()

function count (what: string): void {
  ran.set(what, (ran.get(what) ?? 0) + 1)
}

export class ChatChannel extends Channel<{ room: string }> {
  static override params = room
  static override actions = { speak: true, typing: true, receive: true } as const

  override subscribed () {
    if (this.params.room !== 'fence') count('ChatChannel.subscribed')
    this.streamFrom(`chat_${this.params.room}`)
  }

  override unsubscribed () { count('ChatChannel.unsubscribed') }

  async speak (data: unknown) {
    count('speak')
    await this.broadcast(`chat_${this.params.room}`, { said: data })
  }

  typing () { this.broadcast(`chat_${this.params.room}`, { typing: true }) }
  receive (data: unknown) { this.send({ received: data }) }
}

export class InboxChannel extends Channel {
  override subscribed () {
    if (!this.authenticated) this.reject()
    this.streamFrom(`inbox_${this.user.id}`)
  }
}

export class SlowChannel extends Channel {
  static override actions = { act: true } as const

  override async subscribed () {
    count('SlowChannel.subscribed')
    await new Promise(resolve => setTimeout(resolve, 50))
    this.streamFrom('slow')
  }

  override unsubscribed () { count('SlowChannel.unsubscribed') }
  act () { this.send({ acted: true }) }
}

export class BoomChannel extends Channel {
  override subscribed () {
    this.streamFrom('boom')
    throw new Error('SELECT password FROM users')
  }

  override unsubscribed () { count('BoomChannel.unsubscribed') }
}

export class FreeChannel extends Channel<{ [name: string]: any }> {
  static override actions = { seen: true, constructorOf: true, gate: true } as const
  override subscribed () { count('FreeChannel.subscribed') }
  override unsubscribed () { count('FreeChannel.unsubscribed') }
  seen () { return this.params }
  constructorOf () { return { own: Object.hasOwn(this.params, 'constructor'), value: this.params.constructor, inherits: 'toString' in this.params } }
  gate () { return new Promise(resolve => gates.push(resolve)) }
}

/** Actions that run until the test lets them go. */
export const gates: Array<(value: unknown) => void> = []

class BaseOdd extends Channel {
  inherited () { return 'inherited' }
}

const hidden = Symbol('hidden')

export class OddChannel extends BaseOdd {
  static make () { count('make') }
  arrow = () => { count('arrow') }
  get secret () { count('secret'); return () => count('secret called') }
  set secret (_value) { count('secret set') }
  _hidden () { count('_hidden') }
  #priv () { count('#priv') }
  [hidden] () { count('hidden') }
  // Overriding a word of Channel's own does not make an action of it.
  override send (data: unknown) { super.send(data) }
  uses () { return typeof this.#priv }
  boom () { throw new Error('SELECT secret FROM vault') }
  bigint () { return 1n }
  circular () { const it: { self?: unknown } = {}; it.self = it; return it }
  fn () { return () => {} }
  deep () { let it: unknown = 0; for (let level = 0; level < 5000; level++) it = [it]; return it }
  async rejects () { throw new TypeError('SELECT secret FROM vault') }
  throwsNothing () { throw undefined } // eslint-disable-line no-throw-literal
  throwsOddly () { throw Object.create(null) }
  badJson () { return { toJSON () { throw new Error('SELECT secret FROM vault') } } }
  badGetter () { return { get it () { throw new Error('SELECT secret FROM vault') } } }
  symbol () { return Symbol('it') }
  thenable () { return { then () { throw new Error('SELECT secret FROM vault') } } }
  lateBoom () { queueMicrotask(() => { this.broadcast('odd', 1n) }) }
}

export interface Line {
  readonly level: number
  readonly msg: string
  readonly [detail: string]: any
}

export interface Setting {
  readonly app: FastifyInstance
  readonly port: number
  /** The log's lines, read; what is no line of JSON would have failed. */
  readonly log: Line[]
  /** Open connections, the plugin's own count. */
  connections: () => number
}

/** Starts the app on a free port. */
export async function start (options: FastifyChannelsOptions = {}, prepare: (app: FastifyInstance) => unknown = () => {}, server: object = {}): Promise<Setting> {
  const log: Line[] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line: string) => { log.push(JSON.parse(line)) } } }, ...server })
  await app.register(channels, { channels: { ChatChannel, InboxChannel, SlowChannel, BoomChannel, FreeChannel, OddChannel }, client: false, ...options })
  await prepare(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, log, port: (app.server.address() as AddressInfo).port, connections: () => [...app[kConnections]].length }
}

/** Waits until something is so, without a clock of its own: the test's time-out is the deadline. */
export async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setImmediate(resolve))
}

/** Lines of a log that would wake somebody. */
export function alarms (log: readonly Line[]): Line[] {
  return log.filter(({ level }) => level >= 50)
}

/** What a process must never see. */
export function watchProcess (): { readonly faults: unknown[], stop: () => void } {
  const faults: unknown[] = []
  const note = (error: unknown) => { faults.push(error) }
  process.on('unhandledRejection', note)
  process.on('uncaughtExceptionMonitor', note)
  return {
    faults,
    stop () {
      process.off('unhandledRejection', note)
      process.off('uncaughtExceptionMonitor', note)
    }
  }
}

/** True while nobody has put anything on the prototype of everything. */
export function isPrototypeClean (): boolean {
  return Object.keys(Object.prototype).length === 0 && ({} as { polluted?: unknown }).polluted === undefined && ({} as { x?: unknown }).x === undefined
}
