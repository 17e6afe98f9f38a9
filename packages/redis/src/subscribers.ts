// Which subscriber hears which part: one for all on a single Redis, one per node in a cluster. Knows no stream.
import type { Cluster, Redis } from 'ioredis'
import { isCluster, nameOf, subscriberClient } from './client.ts'
import { PARTS, slotOf } from './keys.ts'
import { Subscriber } from './subscriber.ts'
import type { SubscriberEvents } from './subscriber.ts'

/** The subscribers of a backend. */
export interface Subscribers extends Iterable<Subscriber> {
  /** True in a cluster, where one command may not touch two parts. */
  readonly isSharded: boolean
  /** The one that hears a part; null while nobody is known to own it. */
  of: (part: number) => Subscriber | null
  connect: () => Promise<void>
  /** Looks anew who owns what. */
  refresh: () => Promise<void>
  close: () => Promise<void>
}

/** One connection for everything. */
export class SingleSubscriber implements Subscribers {
  readonly isSharded = false
  readonly #subscriber: Subscriber

  constructor (source: string | Redis, events: SubscriberEvents) {
    this.#subscriber = new Subscriber(subscriberClient(source), false, events)
  }

  of (): Subscriber {
    return this.#subscriber
  }

  connect (): Promise<void> {
    return this.#subscriber.link.connect()
  }

  async refresh (): Promise<void> {}

  close (): Promise<void> {
    return this.#subscriber.close()
  }

  * [Symbol.iterator] (): Generator<Subscriber> {
    yield this.#subscriber
  }
}

/** One connection per node that owns a part, and the map of a cluster client to find it by. */
export class ShardedSubscribers implements Subscribers {
  readonly isSharded = true
  readonly #cluster: Cluster
  readonly #events: SubscriberEvents
  readonly #byNode = new Map<string, Subscriber>()
  #isClosed = false

  constructor (cluster: Cluster, events: SubscriberEvents) {
    this.#cluster = cluster
    this.#events = events
  }

  of (part: number): Subscriber | null {
    const node = this.#owner(part)
    return node === null ? null : this.#byNode.get(node) ?? null
  }

  /** Opens what is needed; the command connection has brought the map. */
  async connect (): Promise<void> {
    await Promise.all(this.#open(this.#owners()).map(({ link }) => link.connect()))
  }

  /** Afterwards every node that owns a part has a connection, and no other. */
  async refresh (): Promise<void> {
    await new Promise<void>(resolve => this.#cluster.refreshSlotsCache(() => resolve()))
    if (this.#isClosed) return
    const owners = this.#owners()
    for (const { link } of this.#open(owners)) link.connect().catch(() => {})
    for (const [node, subscriber] of this.#byNode) {
      if (owners.size === 0 || owners.has(node)) continue
      this.#byNode.delete(node)
      subscriber.link.fall('its node owns nothing')
      subscriber.close().catch(() => {})
    }
  }

  async close (): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#byNode.values()].map(subscriber => subscriber.close()))
  }

  [Symbol.iterator] (): Iterator<Subscriber> {
    return this.#byNode.values()
  }

  #owner (part: number): string | null {
    return this.#cluster.slots[slotOf(part)]?.[0] ?? null
  }

  #owners (): Set<string> {
    return new Set(Array.from({ length: PARTS }, (_, part) => this.#owner(part)).filter(node => node !== null))
  }

  /** Those that are new, of owners that the cluster client can reach. */
  #open (owners: ReadonlySet<string>): Subscriber[] {
    const opened: Subscriber[] = []
    for (const node of this.#cluster.nodes('all')) {
      const name = nameOf(node)
      if (!owners.has(name) || this.#byNode.has(name)) continue
      const subscriber = new Subscriber(subscriberClient(node), true, this.#events)
      this.#byNode.set(name, subscriber)
      opened.push(subscriber)
    }
    return opened
  }
}

/** The subscribers that fit what the app gave. */
export function subscribersFor (source: string | Redis | Cluster, commands: Redis | Cluster, events: SubscriberEvents): Subscribers {
  // The command connection is a cluster exactly where the source is one.
  return isCluster(commands) ? new ShardedSubscribers(commands, events) : new SingleSubscriber(source as string | Redis, events)
}
