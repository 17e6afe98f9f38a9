// All connections of this process, and those of each user, session and address. Never looks inside one.
import type { Control, Matcher } from './control.ts'
import type { Connection } from './connection.ts'
import type { Limits } from './limits.ts'

/** Milliseconds between the farewells of two clients of a stopping server. */
const SPREAD = 2

/** A disconnect, kept for the handshakes that were under way when it came. */
interface Recent {
  readonly at: number
  readonly control: Control
}

export class Connections {
  readonly #limits: Limits
  readonly #all = new Set<Connection>()
  readonly #byUser = new Index()
  readonly #bySession = new Index()
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

  [Symbol.iterator] (): Iterator<Connection> {
    return this.#all.values()
  }

  /** How many connections come from an address. */
  from (address: string): number {
    return this.#byAddress.get(address).size
  }

  /** The ids of all sessions that are connected. */
  get sessions (): string[] {
    return this.#bySession.keys
  }

  /** @param since when its handshake began, as `performance.now()` counts */
  add (connection: Connection, since: number): void {
    const { session, request } = connection
    this.#all.add(connection)
    this.#bySession.add(session.id, connection)
    this.#byAddress.add(request.ip, connection)
    const own = this.#byUser.add(session.userId, connection)
    if (own !== null && own.size > this.#limits.connectionsPerUser) [...own].find(({ isClosed }) => !isClosed)?.replace()
    connection.begin()
    // A logout while its session was being read was not for any connection yet: it is for this one.
    for (const { at, control } of this.#recent) if (at >= since && matches(control.filter, connection)) this.#carryOut(control, connection)
  }

  /** The socket of a connection is closed: its subscriptions end. */
  remove (connection: Connection): void {
    if (!this.#all.delete(connection)) return
    const { session, request } = connection
    this.#byUser.remove(session.userId, connection)
    this.#bySession.remove(session.id, connection)
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
    this.#recent = this.#recent.filter(({ at }) => now - at < this.#limits.upgradeTimeout)
    this.#recent.push({ at: now, control })
    for (const connection of this.#matching(control.filter)) this.#carryOut(control, connection)
  }

  /** Ends the connections of a session that is over. */
  logOut (sessionId: string): void {
    for (const connection of this.#bySession.get(sessionId)) connection.logOut()
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

  #matching ({ by, id }: Matcher): Iterable<Connection> {
    switch (by) {
      case 'userId': return [...this.#byUser.get(id)]
      case 'sessionId': return [...this.#bySession.get(id)]
      case 'connectionId': return [...this.#all].filter(connection => connection.isCalled(id))
    }
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

const none: ReadonlySet<Connection> = new Set()

/** Connections by one of their names. */
class Index {
  readonly #sets = new Map<string, Set<Connection>>()

  get keys (): string[] {
    return [...this.#sets.keys()]
  }

  get (name: string): ReadonlySet<Connection> {
    return this.#sets.get(name) ?? none
  }

  add (name: string | null | undefined, connection: Connection): ReadonlySet<Connection> | null {
    if (name === null || name === undefined) return null
    let set = this.#sets.get(name)
    if (set === undefined) this.#sets.set(name, set = new Set())
    return set.add(connection)
  }

  remove (name: string | null | undefined, connection: Connection): void {
    if (name === null || name === undefined) return
    const set = this.#sets.get(name)
    if (set?.delete(connection) && set.size === 0) this.#sets.delete(name)
  }
}
