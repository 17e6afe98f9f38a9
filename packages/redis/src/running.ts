// An opened backend: its connections, and what happens when one of them ends, is silent, or comes back. Numbers and orders nothing itself.
import type { Position } from '@fastify-channels/protocol'
import type { BackendHealth, BackendHost } from 'fastify-channels'
import { Aside } from './aside.ts'
import { addressOf, commandClient, isCluster } from './client.ts'
import { Commands } from './commands.ts'
import { isJson, readEnvelope } from './envelope.ts'
import { RedisUnreachable } from './errors.ts'
import { Hearing } from './hearing.ts'
import { History } from './history.ts'
import type { Keys } from './keys.ts'
import type { Resolved } from './options.ts'
import { Probe, PROBE_INTERVAL } from './probe.ts'
import { Standing } from './standing.ts'
import type { Subscriber } from './subscriber.ts'
import { subscribersFor } from './subscribers.ts'
import type { Subscribers } from './subscribers.ts'

/** Milliseconds between two attempts at what could not be done. */
const RETRY = 250

export class Running {
  readonly history: History
  readonly hearing: Hearing
  readonly #options: Resolved
  readonly #host: BackendHost
  readonly #app: string
  readonly #address: string
  readonly #commands: Commands
  readonly #subscribers: Subscribers
  readonly #aside: Aside
  readonly #probe: Probe
  readonly #standing: Standing
  /** Connections whose subscriptions Redis ended by itself. */
  readonly #moved = new Set<Subscriber>()
  readonly #timers: NodeJS.Timeout[] = []
  #healing: Promise<void> | null = null
  #healedAt = -Infinity
  #isClosed = false

  constructor (options: Resolved, keys: Keys, host: BackendHost) {
    const client = commandClient(options.source)
    this.#options = options
    this.#host = host
    // The number of a database does not part its channels from another's.
    this.#app = `${isCluster(client) ? 0 : client.options.db} ${options.prefix}`
    this.#address = addressOf(client)
    this.#standing = new Standing(host.log, this.#address)
    this.#commands = new Commands(client, { up: () => this.#rise(), down: reason => this.#fall(reason) })
    this.#subscribers = subscribersFor(options.source, client, {
      message: (channel, bytes) => this.#arrive(channel, bytes),
      up: () => this.#rise(),
      down: (subscriber, reason) => {
        this.#lose(subscriber)
        this.#fall(reason)
      },
      moved: subscriber => {
        this.#moved.add(subscriber)
        // At once, unless that was just tried: where a part went is not known everywhere at the same time.
        if (performance.now() - this.#healedAt > RETRY) this.#check()
      }
    })
    this.history = new History(this.#commands, this.#app)
    this.hearing = new Hearing(keys, this.history, this.#subscribers, {
      deliver: (stream, broadcast) => this.#guard(() => host.deliver(stream, broadcast)),
      gap: (stream, at) => this.#tellGap(stream, at)
    })
    this.#aside = new Aside(this.#subscribers)
    this.#aside.attach(0, keys.control, message => this.#guard(() => host.control(message)))
    this.#probe = new Probe(keys, this.history, this.#aside, this.#subscribers, part => this.#commands.forsake(part))
  }

  /** Settles when everything is connected. Where it cannot be: rejects, or warns and goes on trying, as the app wished. */
  async connect (): Promise<void> {
    this.#timers.push(
      setInterval(() => this.#look(), PROBE_INTERVAL).unref(),
      setInterval(() => this.#check(), RETRY).unref())
    try {
      await Promise.all([this.#commands.link.connect(), this.#subscribers.isSharded || this.#subscribers.connect()])
      if (this.#subscribers.isSharded) await this.#subscribers.connect()
      this.#probe.watch()
      await this.#aside.resume()
    } catch (error) {
      const { message } = error as Error
      if (this.#options.startDegraded) return this.#fall(message)
      await this.close()
      throw new RedisUnreachable(this.#address, message)
    }
  }

  health (): BackendHealth {
    const subscribers = [...this.#subscribers]
    return {
      ok: this.#isWhole,
      backend: 'redis',
      commands: this.#commands.link.isUp,
      subscribers: subscribers.length,
      subscribersDown: subscribers.filter(({ link }) => !link.isUp).length,
      downMs: this.#standing.downMs,
      lastProbeMs: this.#probe.lastMs,
      streams: this.hearing.size,
      gaps: this.#standing.gaps,
      ignored: this.#standing.ignored
    }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearInterval(timer)
    this.hearing.close()
    this.#aside.close()
    await this.#subscribers.close()
    await this.#commands.close()
  }

  /** True when everything is connected, subscribed and known. */
  get #isWhole (): boolean {
    const subscribers = [...this.#subscribers]
    return this.#commands.link.isUp && subscribers.length > 0 && subscribers.every(({ link }) => link.isUp) &&
      this.#moved.size === 0 && this.#aside.isHeard && this.hearing.isSettled
  }

  #arrive (channel: string, bytes: Buffer): void {
    const heard = this.hearing.find(channel)
    const take = heard === undefined ? this.#aside.reader(channel) : undefined
    if (heard === undefined && take === undefined) return
    const envelope = readEnvelope(this.#app, bytes)
    if (envelope === null || (heard !== undefined && !isJson(envelope.broadcast.json))) this.#standing.ignore(channel)
    else if (heard !== undefined) heard.arrive(envelope)
    else take!(envelope.broadcast.json)
  }

  /** A connection is there. */
  #rise (): void {
    this.#probe.watch()
    this.hearing.resume()
    this.#aside.resume().catch(() => {})
  }

  #check (): void {
    if (this.#isWhole) this.#standing.rise(this.hearing.size)
    else this.#healing ??= this.#heal().catch(() => {}).finally(() => { this.#healing = null })
  }

  /** Now and then, though all seems well. */
  #look (): void {
    this.#commands.refresh()
    this.#probe.tick()
  }

  #fall (reason: string): void {
    if (!this.#isClosed) this.#standing.fall(reason)
  }

  #lose (subscriber: Subscriber): void {
    this.hearing.lose(subscriber)
    this.#aside.lose(subscriber)
  }

  /** Tries again what could not be done, where it belongs by now. */
  async #heal (): Promise<void> {
    this.#healedAt = performance.now()
    for (const subscriber of this.#moved) this.#lose(subscriber)
    this.#moved.clear()
    await this.#subscribers.refresh()
    this.hearing.reroute()
    this.#rise()
  }

  #tellGap (stream: string, at: Position): void {
    this.#standing.gaps++
    this.#guard(() => this.#host.gap(stream, at))
  }

  /** What the app does with a broadcast is no business of the connection it came over. */
  #guard (run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#host.log.error({ err: error }, 'a broadcast could not be delivered')
    }
  }
}
