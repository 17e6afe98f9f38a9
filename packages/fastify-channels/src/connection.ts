// One visitor: reads commands, hands each to its subscription in turn, and carries frames back. Knows neither streams nor the app's code.
import { closeCodes, readCommand } from '@fastify-channels/protocol'
import type { Command, Dialect, MessageCommand, SubscribeCommand, Tag, UnsubscribeCommand } from '@fastify-channels/protocol'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import type { EndReason } from './channel.ts'
import type { User } from './current.ts'
import { encode } from './frame.ts'
import type { Frame } from './frame.ts'
import type { Registry } from './registry.ts'
import type { FindUser } from './session.ts'
import { Socket } from './socket.ts'
import { Subscription, Unauthorized } from './subscription.ts'
import type { House, Visitor } from './subscription.ts'
import { Turns } from './turns.ts'

/** What all connections of an app share. */
export interface Building extends House {
  readonly registry: Registry
  readonly findUser: FindUser
}

export class Connection implements Visitor {
  readonly #building: Building
  readonly #socket: Socket
  readonly dialect: Dialect
  readonly request: FastifyRequest
  /** Who the session says this is, since the handshake. */
  readonly userId: string | null
  readonly #subscriptions = new Map<string, Subscription>()
  readonly #turns = new Turns()
  #user: User | null = null
  #pending = 0
  #isPaused = false
  #isClosed = false
  #closeReason: EndReason = 'close'
  /** Pings since the peer was last heard. */
  missed = 0

  constructor (building: Building, ws: WebSocket, dialect: Dialect, request: FastifyRequest, userId: string | null) {
    this.#building = building
    this.#socket = new Socket(ws, building.limits.sendQueueHard)
    this.dialect = dialect
    this.request = request
    this.userId = userId
  }

  get user (): User | null {
    return this.#user
  }

  /** How many subscriptions it has, pending ones included. */
  get subscriptions (): number {
    return this.#subscriptions.size
  }

  /** Takes one message of the client. */
  receive (data: Buffer, isBinary: boolean): void {
    this.missed = 0
    if (this.#isClosed) return
    // The wire is text (PROTOCOL §1.1).
    if (isBinary) return this.close(closeCodes.unsupported, 'text frames only', 'close')
    const command = readCommand(data.toString(), this.#building.limits)
    if (command.command === 'refused') this.#refuse(command.reason, command.id)
    else if (command.command !== 'pong') this.#queue(command)
  }

  /** Loads the user again (guide §5): before every dispatch. */
  async identify (): Promise<User | null> {
    if (this.userId === null) return null
    const user = await this.#building.findUser(this.userId)
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

  /** Asks whether the peer is still there. While we do not read, its answers cannot be heard and do not count. */
  ping (): void {
    this.missed = this.#isPaused ? 0 : this.missed + 1
    this.#socket.ping()
    if (this.dialect.ping !== null) this.#say(this.dialect.ping)
  }

  /** Ends the connection for its user's sake: tells the client why, and whether to come back. */
  disconnect (reason: string, reconnect: boolean): void {
    this.#tell(reason, reconnect, null)
    this.close(reconnect ? closeCodes.reauthorize : closeCodes.unauthorized, reason, 'disconnect')
  }

  /** Ends the connection because the server stops: the client comes back after `retryIn` milliseconds. */
  restart (retryIn: number): void {
    this.#tell('server_restart', true, retryIn)
    this.close(closeCodes.restart, 'server_restart', 'shutdown')
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
    this.#silence()
    const { endTimeout } = this.#building.limits
    await Promise.all([...this.#subscriptions].map(([key, subscription]) =>
      this.#turns.takeWithin(endTimeout, key, () => subscription.end(this.#closeReason))))
    this.#subscriptions.clear()
  }

  #silence (): void {
    this.#isClosed = true
    for (const subscription of this.#subscriptions.values()) subscription.silence()
  }

  #queue (command: Exclude<Command, { command: 'pong' }>): void {
    this.#pending++
    const done = command.command === 'unsubscribe'
      // A running action that never settles must not hold a subscription for ever.
      ? this.#turns.takeWithin(this.#building.limits.endTimeout, command.key, () => this.#unsubscribe(command))
      : this.#turns.take(command.key, () => command.command === 'subscribe' ? this.#subscribe(command) : this.#message(command))
    done.catch(error => this.request.log.error({ err: error }, 'a command failed')).finally(() => {
      this.#pending--
      if (this.#isPaused && this.#pending < this.#building.limits.maxPendingCommands) this.#pause(false)
    })
    if (!this.#isPaused && this.#pending >= this.#building.limits.maxPendingCommands) this.#pause(true)
  }

  #pause (isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#socket.pause()
    else this.#socket.resume()
  }

  async #subscribe (command: SubscribeCommand): Promise<void> {
    const { key, channel, params, ref } = command
    if (this.#isClosed) return
    const existing = this.#subscriptions.get(key)
    if (existing !== undefined) return existing.confirmAgain(ref)
    const registration = this.#building.registry.get(channel)
    if (registration === undefined) return this.#say(this.dialect.reject(command, ref, 'unknown_channel'))
    if (this.#subscriptions.size >= this.#building.limits.maxSubscriptions) return this.#say(this.dialect.reject(command, ref, 'too_many_subscriptions'))
    const checked = registration.params === null ? { ok: true as const, value: params } : registration.params(params)
    if (!checked.ok) return this.#say(this.dialect.reject(command, ref, 'invalid_params'))
    const subscription = new Subscription(this.#building, this, registration, { channel, params }, held(checked.value) as object, ref)
    this.#subscriptions.set(key, subscription)
    if (!await subscription.start() && !this.#isClosed) this.#subscriptions.delete(key)
  }

  async #message (command: MessageCommand): Promise<void> {
    const subscription = this.#subscriptions.get(command.key)
    if (!subscription?.isServing) return this.#refuse('not_subscribed', command.id)
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

  #refuse (reason: string, id: Tag | null): void {
    this.#say(id === null ? this.dialect.error(reason) : this.dialect.reply(id, { ok: false, reason }))
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
