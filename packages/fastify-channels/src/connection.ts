// One visitor, from the handshake to the end: who they are, whether they are still there, and how they are sent away. Knows neither streams nor the app's code.
import { randomUUID } from 'node:crypto'
import { closeCodes } from '@fastify-channels/protocol'
import type { Dialect, Tag } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { Eventually } from './backend.ts'
import type { EndReason } from './channel.ts'
import type { User } from './current.ts'
import { isPromise } from './deadline.ts'
import { encode } from './frame.ts'
import { Intake } from './intake.ts'
import type { IntakeOwner } from './intake.ts'
import { Outlet } from './outlet.ts'
import type { Pacing } from './outlet.ts'
import type { FindUser, Session } from './session.ts'
import { Subscriptions } from './subscriptions.ts'
import type { AddressedCommand, Building } from './subscriptions.ts'
import { Unauthorized } from './visitor.ts'
import type { Visitor } from './visitor.ts'

/** What all connections of an app share. */
export interface Premises extends Building, Pacing {
  readonly limits: Building['limits']
  readonly findUser: FindUser
}

export class Connection implements Visitor, IntakeOwner {
  readonly #premises: Premises
  readonly #intake: Intake
  readonly #subscriptions: Subscriptions
  readonly outlet: Outlet
  readonly request: FastifyRequest
  /** Who the handshake's session says this is. */
  readonly session: Session
  #user: User | null = null
  #id: string | null = null
  #expiry: NodeJS.Timeout | undefined
  #closeReason: EndReason = 'close'
  /** Those who are pinged in the same second. */
  beat: Set<Connection> | null = null
  /** Pings since the peer was last heard. */
  missed = 0
  /** Since when a message has been arriving, as far as heartbeats saw. */
  #receivingSince: number | null = null

  constructor (premises: Premises, ws: WebSocket, dialect: Dialect, request: FastifyRequest, session: Session) {
    this.#premises = premises
    this.outlet = new Outlet(ws, dialect, premises)
    this.#intake = new Intake(this, premises.limits)
    this.#subscriptions = new Subscriptions(premises, this)
    this.request = request
    this.session = session
  }

  get id (): string {
    this.#id ??= randomUUID()
    return this.#id
  }

  get dialect (): Dialect { return this.outlet.dialect }
  get user (): User | null { return this.#user }
  get log (): FastifyBaseLogger { return this.request.log }
  get isClosed (): boolean { return !this.outlet.isOpen }
  get isSentAway (): boolean { return this.#closeReason === 'disconnect' }

  /** How many subscriptions it has, pending ones included. */
  get subscriptions (): number { return this.#subscriptions.size }

  /** True for the name this connection was given, if it was given one. */
  isCalled (id: string): boolean { return this.#id === id }

  /** Begins to count the time its session has left. */
  begin (): void {
    const { expiresAt } = this.session
    if (expiresAt === null) return
    const wait = Math.max(0, expiresAt - Date.now())
    // Longer than a timer can be: then that is no matter for this connection.
    if (wait < 2 ** 31) this.#expiry = setTimeout(() => this.disconnect('session_expired', true), wait).unref()
  }

  /** Takes one message of the client. */
  receive (data: Buffer, isBinary: boolean): void {
    this.missed = 0
    this.#receivingSince = null
    if (this.isClosed) return
    // The wire is text (PROTOCOL §1.1).
    if (isBinary) return this.close(closeCodes.unsupported, 'text frames only', 'close')
    this.#intake.take(data.toString())
  }

  run (command: AddressedCommand): Promise<void> { return this.#subscriptions.run(command) }

  refuse ({ reason, id }: { readonly reason: string, readonly id: Tag | null }): void {
    this.#say(id === null ? this.dialect.error(reason) : this.dialect.reply(id, { ok: false, reason }))
  }

  read (isRead: boolean): void {
    if (isRead) this.outlet.resume()
    else this.outlet.pause()
  }

  violated (): void { this.close(closeCodes.violation, 'too many violations', 'close') }

  /** Loads the user again (guide §5): before every dispatch. */
  identify (): Eventually<User | null> {
    if (this.session.userId === null) return null
    const found = this.#premises.findUser(this.session.userId)
    return isPromise(found) ? found.then(user => this.#recognise(user)) : this.#recognise(found)
  }

  /** Asks whether the peer is still there, and says how large the crowd is (milliseconds to spread over). While we do not read, its answers cannot be heard and do not count. */
  ping (spread: number): void {
    this.missed = this.#intake.isPaused ? 0 : this.missed + 1
    this.outlet.ping()
    this.tellCrowd(spread)
    if (!this.outlet.isReceiving) this.#receivingSince = null
    else if (this.#receivingSince === null) this.#receivingSince = Date.now()
    else if (Date.now() - this.#receivingSince >= this.#premises.limits.messageTimeout) this.close(closeCodes.violation, 'a message took too long', 'close')
  }

  /** Says how large the crowd is, in the one frame that needs no answer to be read. */
  tellCrowd (spread: number): void {
    const ping = this.dialect.ping(spread)
    if (ping !== null) this.#say(ping)
  }

  /** Ends the connection for its user's sake: tells the client why, and whether to come back. */
  disconnect (reason: string, reconnect: boolean): void {
    this.#sendAway(reconnect ? closeCodes.reauthorize : closeCodes.unauthorized, reason, reconnect)
  }

  /** Another connection of its user takes its place. */
  replace (): void {
    this.#sendAway(closeCodes.replaced, 'replaced', false)
  }

  /** Its session is over. */
  logOut (): void {
    this.#sendAway(closeCodes.loggedOut, 'logged_out', false)
  }

  /** Ends the connection because the server stops: the client comes back after `retryIn` milliseconds. */
  restart (retryIn: number): void {
    this.#tell('server_restart', true, retryIn)
    this.close(closeCodes.restart, 'server_restart', 'shutdown')
  }

  /** Ends one subscription and no more. */
  revoke (key: string): void {
    if (!this.#subscriptions.has(key)) return
    this.#intake.end(key, () => this.#subscriptions.revoke(key))
      .catch(error => this.log.error({ err: error }, 'a subscription could not be revoked'))
  }

  /** Closes with a code; queued frames leave first. */
  close (code: number, reason: string, because: EndReason): void {
    if (this.isClosed) return
    this.#closeReason = because
    this.outlet.close(code, reason)
    // Nobody is served who has been sent away, whenever the peer answers the close.
    this.#subscriptions.silence()
  }

  /** Ends the connection without waiting for its peer. */
  terminate (): void { this.outlet.terminate() }

  /** The socket is closed: ends every subscription. Settles when the last `unsubscribed()` is done. */
  async closed (): Promise<void> {
    this.outlet.closed()
    clearTimeout(this.#expiry)
    this.#subscriptions.silence()
    await Promise.all([...this.#subscriptions.keys].map(key =>
      this.#intake.end(key, () => this.#subscriptions.end(key, this.#closeReason))))
  }

  #recognise (user: User | null): User {
    if (user === null) {
      this.disconnect('unauthorized', false)
      throw new Unauthorized('the user of this connection is gone')
    }
    this.#user = user
    return user
  }

  #sendAway (code: number, reason: string, reconnect: boolean): void {
    this.#tell(reason, reconnect, null)
    this.close(code, reason, 'disconnect')
  }

  #tell (reason: string, reconnect: boolean, retryIn: number | null): void {
    const notice = this.dialect.disconnect(reason, reconnect, retryIn)
    if (notice !== null) this.#say(notice)
  }

  #say (text: string): void {
    this.outlet.write(encode(text))
  }
}
