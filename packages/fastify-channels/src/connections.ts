// All connections of this process, and those of each user and address. Never looks inside one.
import type { Control, Matcher } from './control.ts'
import type { Connection } from './connection.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Limits } from './limits.ts'

/** Milliseconds between the farewells of two clients of a stopping server. */
const SPREAD = 2

/** The longest a disconnect is kept for handshakes under way, where those have no end of their own. */
const REMEMBERED = 60_000

/** A disconnect, kept for the handshakes that were under way when it came. */
interface Recent {
  readonly at: number
  readonly control: Control
}

export class Connections {
  readonly #limits: Limits
  /** All of them: the wheel of their heartbeats is the one list that is kept. */
  readonly #all = new Heartbeat(size => Math.min(this.#limits.drainTimeout, size * SPREAD))
  readonly #byUser = new Index()
  readonly #byAddress = new Index()
  readonly #ending = new Set<Promise<void>>()
  #recent: Recent[] = []
  #emptied: (() => void) | null = null

  constructor (limits: Limits) {
    this.#limits = limits
  }

  get size (): number {
    return this.#all.size
  }

  /** Subscriptions of all of them. */
  get subscriptions (): number {
    let sum = 0
    for (const { subscriptions } of this.#all) sum += subscriptions
    return sum
  }

  [Symbol.iterator] (): Iterator<Connection> {
    return this.#all[Symbol.iterator]()
  }

  /** How many connections come from an address. */
  from (address: string): number {
    return this.#byAddress.count(address)
  }

  /** The ids of all sessions that are connected. */
  get sessions (): string[] {
    return [...new Set([...this.#all].flatMap(({ session }) => session.id ?? []))]
  }

  /** @param since when its handshake began, as `performance.now()` counts */
  add (connection: Connection, since: number): void {
    const { session, request } = connection
    this.#all.add(connection)
    this.#byAddress.add(request.ip, connection)
    this.#byUser.add(session.userId, connection)
    if (session.userId !== null && this.#byUser.count(session.userId) > this.#limits.connectionsPerUser) this.#byUser.get(session.userId).find(({ isClosed }) => !isClosed)?.replace()
    connection.begin()
    // A logout while its session was being read was not for any connection yet: it is for this one.
    for (const { at, control } of this.#recent) if (at >= since && matches(control.filter, connection)) this.#carryOut(control, connection)
  }

  /** The socket of a connection is closed: its subscriptions end. */
  remove (connection: Connection): void {
    this.#all.remove(connection)
    const { session, request } = connection
    this.#byUser.remove(session.userId, connection)
    this.#byAddress.remove(request.ip, connection)
    const ending = connection.closed().finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
    if (this.#all.size === 0) this.#emptied?.()
  }

  /** Settles when everything that has ended so far is done, every `unsubscribed()` included. */
  async ended (): Promise<void> {
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }

  /** Does what a process asked of all. */
  control (control: Control): void {
    const now = performance.now()
    this.#recent = this.#recent.filter(({ at }) => now - at < Math.min(this.#limits.upgradeTimeout, REMEMBERED))
    this.#recent.push({ at: now, control })
    for (const connection of this.#matching(control.filter)) this.#carryOut(control, connection)
  }

  /** Ends the connections of a session that is over. */
  logOut (sessionId: string): void {
    for (const connection of this.#matching({ by: 'sessionId', id: sessionId })) connection.logOut()
  }

  /** Sends everybody away because the server stops, each with a time of its own to come back; who has not gone `grace` milliseconds after is cut off. */
  async close (grace: number): Promise<void> {
    if (this.#all.size > 0) {
      const empty = new Promise<void>(resolve => { this.#emptied = resolve })
      const spread = Math.min(this.#limits.drainTimeout, this.#all.size * SPREAD)
      for (const connection of this.#all) connection.restart(Math.round(Math.random() * spread))
      const deadline = setTimeout(() => { for (const connection of this.#all) connection.terminate() }, grace)
      await empty
      clearTimeout(deadline)
    }
    await this.ended()
  }

  // Only users are looked up often enough to be worth an index.
  #matching (filter: Matcher): Connection[] {
    return filter.by === 'userId' ? this.#byUser.get(filter.id) : [...this.#all].filter(connection => matches(filter, connection))
  }

  #carryOut (control: Control, connection: Connection): void {
    if (control.verb === 'revoke') connection.revoke(control.key)
    else connection.disconnect(control.reconnect ? 'reauthorize' : 'unauthorized', control.reconnect)
  }
}

function matches ({ by, id }: Matcher, connection: Connection): boolean {
  switch (by) {
    case 'userId': return connection.session.userId === id
    case 'sessionId': return connection.session.id === id
    case 'connectionId': return connection.isCalled(id)
  }
}

/** Connections by one of their names. A name that only one has costs no set. */
class Index {
  readonly #named = new Map<string, Connection | Set<Connection>>()

  /** Those of that name, the oldest first. */
  get (name: string): Connection[] {
    const found = this.#named.get(name)
    return found === undefined ? [] : found instanceof Set ? [...found] : [found]
  }

  count (name: string): number {
    const found = this.#named.get(name)
    return found === undefined ? 0 : found instanceof Set ? found.size : 1
  }

  add (name: string | null | undefined, connection: Connection): void {
    if (name === null || name === undefined) return
    const found = this.#named.get(name)
    if (found === undefined) this.#named.set(name, connection)
    else if (found instanceof Set) found.add(connection)
    else this.#named.set(name, new Set([found, connection]))
  }

  remove (name: string | null | undefined, connection: Connection): void {
    if (name === null || name === undefined) return
    const found = this.#named.get(name)
    if (found instanceof Set) found.delete(connection)
    if (found === connection || (found instanceof Set && found.size === 0)) this.#named.delete(name)
  }
}
