// One visitor: hands each command to its subscription, and carries frames back. Knows neither streams nor the app's code.
import { randomUUID } from 'node:crypto'
import { closeCodes } from '@fastify-channels/protocol'
import type { Dialect, MessageCommand, Position, SubscribeCommand, Tag, UnsubscribeCommand } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { Backlog } from './backlog.ts'
import type { EndReason } from './channel.ts'
import type { User } from './current.ts'
import { encode } from './frame.ts'
import type { Frame } from './frame.ts'
import { Intake } from './intake.ts'
import type { AddressedCommand, IntakeOwner } from './intake.ts'
import type { Registry } from './registry.ts'
import type { FindUser, Session } from './session.ts'
import { Socket } from './socket.ts'
import type { SocketOwner } from './socket.ts'
import { Subscription, Unauthorized } from './subscription.ts'
import type { House, Visitor } from './subscription.ts'

/** What a peer too slow to follow hears of broadcasts that history does not keep: the latest of them, or the end of its connection. */
export type SlowPolicy = 'latest' | 'close'

/** What all connections of an app share. */
export interface Building extends House {
  readonly registry: Registry
  readonly findUser: FindUser
  readonly slowPolicyOf: (stream: string) => SlowPolicy
}

export class Connection implements Visitor, IntakeOwner, SocketOwner {
  readonly #building: Building
  readonly #socket: Socket
  readonly #intake: Intake
  readonly dialect: Dialect
  readonly request: FastifyRequest
  /** Who the handshake's session says this is. */
  readonly session: Session
  readonly #subscriptions = new Map<string, Subscription>()
  #user: User | null = null
  #id: string | null = null
  #backlog: Backlog | null = null
  #isClosed = false
  #expiry: NodeJS.Timeout | undefined
  #closeReason: EndReason = 'close'
  tab: string | null = null
  isSlow = false
  /** Pings since the peer was last heard. */
  missed = 0
  #receivingSince: number | null = null

  constructor (building: Building, ws: WebSocket, dialect: Dialect, request: FastifyRequest, session: Session) {
    this.#building = building
    this.#socket = new Socket(ws, this, building.limits)
    this.#intake = new Intake(this, building.limits)
    this.dialect = dialect
    this.request = request
    this.session = session
  }

  get id (): string {
    this.#id ??= randomUUID()
    return this.#id
  }

  get user (): User | null {
    return this.#user
  }

  get log (): FastifyBaseLogger {
    return this.request.log
  }

  get isClosed (): boolean {
    return this.#isClosed
  }

  /** Begins to count the time its session has left. */
  begin (): void {
    const { expiresAt } = this.session
    if (expiresAt === null) return
    const wait = Math.max(0, expiresAt - Date.now())
    // Longer than a timer can be: then that is no matter for this connection.
    if (wait < 2 ** 31) this.#expiry = setTimeout(() => this.disconnect('session_expired', true), wait).unref()
  }

  /** True for the name this connection was given, if it was given one. */
  isCalled (id: string): boolean {
    return this.#id === id
  }

  /** How many subscriptions it has, pending ones included. */
  get subscriptions (): number {
    return this.#subscriptions.size
  }

  /** Takes one message of the client. */
  receive (data: Buffer, isBinary: boolean): void {
    this.missed = 0
    this.#receivingSince = null
    if (this.#isClosed) return
    // The wire is text (PROTOCOL §1.1).
    if (isBinary) return this.close(closeCodes.unsupported, 'text frames only', 'close')
    this.#intake.take(data.toString())
  }

  run (command: AddressedCommand): Promise<void> {
    switch (command.command) {
      case 'subscribe': return this.#subscribe(command)
      case 'message': return this.#message(command)
      case 'unsubscribe': return this.#unsubscribe(command)
    }
  }

  refuse ({ reason, id }: { readonly reason: string, readonly id: Tag | null }): void {
    this.#say(id === null ? this.dialect.error(reason) : this.dialect.reply(id, { ok: false, reason }))
  }

  read (isRead: boolean): void {
    if (isRead) this.#socket.resume()
    else this.#socket.pause()
  }

  violated (): void {
    this.close(closeCodes.violation, 'too many violations', 'close')
  }

  /** Loads the user again (guide §5): before every dispatch. */
  async identify (): Promise<User | null> {
    if (this.session.userId === null) return null
    const user = await this.#building.findUser(this.session.userId)
    if (user === null) {
      this.disconnect('unauthorized', false)
      throw new Unauthorized('the user of this connection is gone')
    }
    this.#user = user
    return user
  }

  write (frame: Frame): void {
    this.#socket.write(frame)
  }

  get room (): number {
    const { sendQueueSoft } = this.#building.limits
    return this.isSlow ? 0 : sendQueueSoft - this.#socket.queued
  }

  get isCongested (): boolean {
    return this.#socket.isCongested
  }

  flush (): void {
    this.#socket.flush()
  }

  hears (stream: string): boolean {
    return this.#building.listening.hears(stream, this.dialect.lane({ channel: '', params: {} }), this)
  }

  sentUpTo (stream: string): Position | null {
    const left = this.#backlog?.leftAt(stream)
    return left === undefined ? this.#building.listening.position(stream) : left
  }

  misses (stream: string, before: Position | null, at: Position | null, frame: Frame): boolean {
    const backlog = this.#backlog!
    if (!this.isCongested && !backlog.has(stream)) return false
    if (at !== null && this.dialect.isStamped) {
      if (!backlog.has(stream)) backlog.leaveAt(stream, before)
    } else if (at === null && this.#building.slowPolicyOf(stream) === 'latest') {
      backlog.keepLatest(stream, frame)
    } else {
      // Nobody could tell it later what it missed.
      this.close(closeCodes.overload, 'too slow', 'close')
    }
    return true
  }

  leaveAt (stream: string, at: Position): void {
    this.congested()
    this.#backlog!.leaveAt(stream, at)
    this.drained()
  }

  forget (stream: string): void {
    this.#backlog?.forget(stream)
  }

  congested (): void {
    this.isSlow = true
    this.#backlog ??= new Backlog(this, this.#building.listening, this.#building.limits.sendQueueSoft)
  }

  drained (): void {
    this.#backlog!.catchUp().then(isDone => { if (isDone) this.isSlow = this.isCongested }, error => {
      this.log.error({ err: error }, 'a slow connection could not catch up')
      this.close(closeCodes.failure, 'error', 'close')
    })
  }

  /** Asks whether the peer is still there. While we do not read, its answers cannot be heard and do not count. */
  ping (): void {
    this.missed = this.#intake.isPaused ? 0 : this.missed + 1
    this.#socket.ping()
    if (this.dialect.ping !== null) this.#say(this.dialect.ping)
    if (!this.#socket.isReceiving) this.#receivingSince = null
    else if (this.#receivingSince === null) this.#receivingSince = Date.now()
    else if (Date.now() - this.#receivingSince >= this.#building.limits.messageTimeout) this.close(closeCodes.violation, 'a message took too long', 'close')
  }

  /** Ends the connection for its user's sake: tells the client why, and whether to come back. */
  disconnect (reason: string, reconnect: boolean): void {
    this.#tell(reason, reconnect, null)
    this.close(reconnect ? closeCodes.reauthorize : closeCodes.unauthorized, reason, 'disconnect')
  }

  /** Another connection of its user takes its place. */
  replace (): void {
    this.#tell('replaced', false, null)
    this.close(closeCodes.replaced, 'replaced', 'disconnect')
  }

  /** Its session is over. */
  logOut (): void {
    this.#tell('logged_out', false, null)
    this.close(closeCodes.loggedOut, 'logged_out', 'disconnect')
  }

  /** Ends the connection because the server stops: the client comes back after `retryIn` milliseconds. */
  restart (retryIn: number): void {
    this.#tell('server_restart', true, retryIn)
    this.close(closeCodes.restart, 'server_restart', 'shutdown')
  }

  /** Ends one subscription and no more. */
  revoke (key: string): void {
    const subscription = this.#subscriptions.get(key)
    if (subscription === undefined) return
    this.#intake.end(key, async () => {
      if (this.#subscriptions.get(key) === subscription) this.#subscriptions.delete(key)
      await subscription.revoke()
    }).catch(error => this.log.error({ err: error }, 'a subscription could not be revoked'))
  }

  /** Closes with a code; queued frames leave first. */
  close (code: number, reason: string, because: EndReason): void {
    if (this.#isClosed) return
    this.#closeReason = because
    this.#socket.close(code, reason)
    // Nobody is served who has been sent away, whenever the peer answers the close.
    this.#silence()
  }

  /** Ends the connection without waiting for its peer. */
  terminate (): void {
    this.#socket.terminate()
  }

  /** The socket is closed: ends every subscription. Settles when the last `unsubscribed()` is done. */
  async closed (): Promise<void> {
    this.#socket.closed()
    clearTimeout(this.#expiry)
    this.#silence()
    await Promise.all([...this.#subscriptions].map(([key, subscription]) =>
      this.#intake.end(key, () => subscription.end(this.#closeReason))))
    this.#subscriptions.clear()
  }

  #silence (): void {
    this.#isClosed = true
    this.#backlog?.clear()
    for (const subscription of this.#subscriptions.values()) subscription.silence()
  }

  async #subscribe (command: SubscribeCommand): Promise<void> {
    const { key, channel, params, ref, tab } = command
    if (this.#isClosed) return
    const asked = this.dialect.isStamped ? command.positions : null
    if (this.dialect.isStamped && tab !== null) this.tab = tab
    const existing = this.#subscriptions.get(key)
    if (existing !== undefined) return existing.confirmAgain(ref, asked)
    const { registry, limits } = this.#building
    const registration = registry.get(channel)
    if (registration === undefined) return this.#say(this.dialect.reject(command, ref, 'unknown_channel'))
    if (this.#subscriptions.size >= limits.maxSubscriptions) return this.#say(this.dialect.reject(command, ref, 'too_many_subscriptions'))
    const checked = registration.params === null ? { ok: true as const, value: params } : registration.params(params)
    if (!checked.ok) return this.#say(this.dialect.reject(command, ref, 'invalid_params'))
    const subscription = new Subscription(this.#building, this, registration, { channel, params }, held(checked.value) as object, ref)
    this.#subscriptions.set(key, subscription)
    if (!await subscription.start(asked) && !this.#isClosed) this.#subscriptions.delete(key)
  }

  async #message (command: MessageCommand): Promise<void> {
    const subscription = this.#subscriptions.get(command.key)
    if (!subscription?.isServing) return this.refuse({ reason: 'not_subscribed', id: command.id })
    // What a client said before it left still counts; not so what somebody said who was sent away.
    if (this.#closeReason !== 'disconnect') await subscription.perform(command)
  }

  async #unsubscribe ({ key }: UnsubscribeCommand): Promise<void> {
    const subscription = this.#subscriptions.get(key)
    this.#subscriptions.delete(key)
    await subscription?.end('unsubscribe')
  }

  #tell (reason: string, reconnect: boolean, retryIn: number | null): void {
    const notice = this.dialect.disconnect(reason, reconnect, retryIn)
    if (notice !== null) this.#say(notice)
  }

  #say (text: string): void {
    this.#socket.write(encode(text))
  }
}

/** A copy of a client's value that nobody can change and that inherits nothing. */
function held (value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(held))
  if (typeof value !== 'object' || value === null) return value
  return Object.freeze(Object.assign(Object.create(null), Object.fromEntries(Object.entries(value).map(([key, item]) => [key, held(item)]))))
}
