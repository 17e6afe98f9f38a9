// The connection for commands: what is said in one turn leaves in one write per batch. Never says anything twice, never rejects with anything but its own error.
import type { Cluster, Redis } from 'ioredis'
import { isCluster, nameOf } from './client.ts'
import { CableUnavailable } from './errors.ts'
import { Link } from './link.ts'
import type { LinkEvents } from './link.ts'
import { slotOf } from './keys.ts'
import { publish, read } from './scripts.ts'
import type { Script } from './scripts.ts'

interface Waiting {
  readonly command: [name: string, ...args: Array<string | number>]
  readonly script: Script | null
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
}

/** Unanswered questions after which a silent connection is given up. */
const QUESTIONS = 4

/** How ioredis says that an answer did not come in time. */
const SILENCE = 'Command timed out'
/** What ioredis says, by its message or its name, in words for an app. */
const reasons = new Map([[SILENCE, 'Redis did not answer in time'], ['MaxRetriesPerRequestError', 'the connection ended']])

export class Commands {
  readonly #client: Redis | Cluster
  readonly #link: Link
  /** By part in a cluster, where a batch may not cross slots; else all under one key. */
  readonly #batches = new Map<number, Waiting[]>()
  #isAsking = false

  constructor (client: Redis | Cluster, events: LinkEvents) {
    this.#client = client
    this.#link = new Link(client, { ...events, up: () => this.#load(events.up) })
  }

  get link (): Link {
    return this.#link
  }

  /** Runs a script on a part. */
  run (script: Script, part: number, keys: readonly string[], args: ReadonlyArray<string | number>): Promise<unknown> {
    return this.#say(part, script, ['evalsha', script.sha, keys.length, ...keys, ...args])
  }

  /** Publishes to a channel of a part. */
  publish (part: number, channel: string, envelope: string): Promise<unknown> {
    return this.#say(part, null, [this.publishCommand, channel, envelope])
  }

  /** True in a cluster, where one command may not touch two parts. */
  get isSharded (): boolean {
    return isCluster(this.#client)
  }

  get publishCommand (): 'spublish' | 'publish' {
    return isCluster(this.#client) ? 'spublish' : 'publish'
  }

  /** Looks anew which node has which part. */
  refresh (): void {
    if (isCluster(this.#client)) this.#client.refreshSlotsCache()
  }

  /** Lets go of the node of a part that does not answer. */
  forsake (part: number): void {
    if (!isCluster(this.#client)) return
    const [owner] = this.#client.slots[slotOf(part)]!
    for (const node of this.#client.nodes('master')) if (nameOf(node) === owner) node.disconnect()
    this.refresh()
  }

  async close (): Promise<void> {
    this.#flush()
    await this.#link.close()
  }

  #say (part: number, script: Script | null, command: Waiting['command']): Promise<unknown> {
    if (!this.#link.isUp) return this.#refuse()
    const key = isCluster(this.#client) ? part : 0
    return new Promise((resolve, reject) => {
      if (this.#batches.size === 0) setImmediate(() => this.#flush())
      const batch = this.#batches.get(key)
      if (batch === undefined) this.#batches.set(key, [{ command, script, resolve, reject }])
      else batch.push({ command, script, resolve, reject })
    })
  }

  /** On the next turn: whoever tries again and again without a pause leaves room for Redis to come back. */
  #refuse (): Promise<never> {
    const error = new CableUnavailable(`Redis is away (${this.#link.reason})`)
    return new Promise((_resolve, reject) => setImmediate(() => reject(error)))
  }

  #flush (): void {
    const batches = [...this.#batches.values()]
    this.#batches.clear()
    for (const batch of batches) this.#send(batch).catch(error => this.#fail(batch, error))
  }

  async #send (batch: readonly Waiting[]): Promise<void> {
    const replies = await this.#client.pipeline(batch.map(({ command }) => command)).exec()
    const again: Waiting[] = []
    for (const [index, waiting] of batch.entries()) {
      const [error, reply] = replies![index]!
      if (error === null) waiting.resolve(reply)
      else if (waiting.script !== null && error.message.startsWith('NOSCRIPT')) again.push(withSource(waiting))
      // A part that is moving: refused here, so it may be asked for elsewhere.
      else if (isCluster(this.#client) && /^(?:MOVED|ASK|TRYAGAIN) /.test(error.message)) this.#redirect(waiting)
      else this.#fail([waiting], error)
    }
    if (again.length > 0) await this.#send(again)
  }

  #redirect ({ command: [name, ...args], resolve, reject }: Waiting): void {
    this.#client.call(name, ...args).then(resolve, error => reject(new CableUnavailable((error as Error).message)))
  }

  #fail (batch: readonly Waiting[], error: Error): void {
    const isSilent = error.message === SILENCE
    const reason = reasons.get(error.message) ?? reasons.get(error.name) ?? error.message
    for (const { reject } of batch) reject(new CableUnavailable(reason))
    if (isSilent) this.#ask().catch(() => {})
  }

  /** After one silence nobody waits for a second one: the link is down until it answers again. */
  async #ask (): Promise<void> {
    if (this.#isAsking || isCluster(this.#client)) return
    this.#isAsking = true
    this.#link.fall('it does not answer')
    for (let asked = 0; this.#client.status === 'ready' && asked < QUESTIONS; asked++) {
      const isThere = await this.#client.ping().then(() => true, () => false)
      if (!isThere) continue
      this.#isAsking = false
      this.#link.answered()
      return
    }
    this.#isAsking = false
    if (this.#client.status === 'ready') this.#link.reconnect('it does not answer')
  }

  /** Redis knows the scripts before anybody needs them. */
  #load (done: () => void): void {
    const nodes = isCluster(this.#client) ? this.#client.nodes('master') : [this.#client]
    for (const node of nodes) {
      // Where this fails, the first use of a script brings its source.
      for (const { source } of [publish, read]) node.script('LOAD', source).catch(() => {})
    }
    done()
  }
}

function withSource (waiting: Waiting): Waiting {
  const [, , ...rest] = waiting.command
  return { ...waiting, script: null, command: ['eval', waiting.script!.source, ...rest] }
}
