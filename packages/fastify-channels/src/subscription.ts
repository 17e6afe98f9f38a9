// One (channel, params) of one connection, from pending to ended: runs the channel's hooks, answers the client, ends exactly once.
import type { Address, Dialect, MessageCommand, Outcome, RejectReason, Tag } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import { act, failed } from './action.ts'
import { encodePayload } from './cable.ts'
import type { BroadcastOptions } from './cable.ts'
import type { Channel, EndReason, Link } from './channel.ts'
import { current } from './current.ts'
import type { User } from './current.ts'
import { isPromise, within } from './deadline.ts'
import { Ending } from './ending.ts'
import { LateReject, Timeout } from './errors.ts'
import type { Follower, Subscriber } from './follower.ts'
import { encode } from './frame.ts'
import type { Limits } from './limits.ts'
import type { Listening } from './listening.ts'
import type { Registration } from './registry.ts'
import type { Asked } from './resume.ts'
import { StreamSet } from './stream-set.ts'
import { Unauthorized } from './visitor.ts'
import type { House, Visitor } from './visitor.ts'

/** Thrown through an app's `subscribed()` by `reject()`, after the answer was given. */
class Rejection extends Error {}

type State = 'pending' | 'confirmed' | 'rejected' | 'refused' | 'ended'

export class Subscription implements Link, Subscriber {
  readonly #visitor: Visitor
  readonly address: Address
  readonly params: object
  readonly #house: House
  readonly #registration: Registration
  readonly #streams = new StreamSet(this)
  #ref: Tag | null
  #state: State = 'pending'
  #channel: Channel | null = null
  readonly #ending = new Ending(this)
  #sends: string[] | null = null
  #abort: AbortController | null = null
  #log: FastifyBaseLogger | null = null

  /** @param params what the channel sees of `address.params` */
  constructor (house: House, visitor: Visitor, registration: Registration, address: Address, params: object, ref: Tag | null) {
    this.#house = house
    this.#visitor = visitor
    this.#registration = registration
    this.address = address
    this.params = params
    this.#ref = ref
  }

  get sink (): Follower { return this.#visitor.outlet }
  get app (): FastifyInstance { return this.#registration.app }
  get channelName (): string { return this.#registration.name }
  get request (): FastifyRequest { return this.#visitor.request }
  get dialect (): Dialect { return this.#visitor.dialect }
  get user (): User | null { return this.#visitor.user }
  get tab (): string | null { return this.sink.tab }
  get connectionId (): string { return this.#visitor.id }
  get limits (): Limits { return this.#house.limits }
  get listening (): Listening { return this.#house.listening }
  get ref (): Tag | null { return this.#ref }
  /** True from a `subscribed()` that completed without a reject until `unsubscribed()`. */
  get isServing (): boolean { return this.#ending.isOwed }
  get isConfirmed (): boolean { return this.#state === 'confirmed' }
  get log (): FastifyBaseLogger { return (this.#log ??= this.request.log.child({ channel: this.channelName })) }

  get signal (): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#isOver) this.#abort.abort()
    return this.#abort.signal
  }

  /** Runs `subscribed()` and answers the client; who comes back (`asked`) is authorised like everybody else. Settles with true when it is confirmed. */
  async start (asked: Asked): Promise<boolean> {
    try {
      const user = await this.#visitor.identify()
      if (this.#isOver) return false
      await within(this.limits.subscribeTimeout, `${this.channelName}.subscribed()`, this.#subscribe(user))
      await this.#streams.ready(asked)
      if (!this.#isOver) this.#confirm()
    } catch (error) {
      if (error instanceof Unauthorized || this.#isOver) return false
      this.log.error({ err: error }, 'a subscription failed')
      this.#turnAway('refused', error instanceof Timeout && this.#channel !== null ? 'timeout' : 'error')
      await this.end('error')
    }
    return this.isConfirmed
  }

  /** Answers a repeated subscribe: `subscribed()` does not run again, and nothing is delivered twice. */
  confirmAgain (ref: Tag | null, asked: Asked): Promise<void> {
    this.#ref = ref
    return this.#streams.confirmAgain(asked)
  }

  /** The server takes a confirmed subscription back. */
  async revoke (): Promise<void> {
    if (this.isConfirmed) this.#turnAway('refused', 'revoked')
    await this.end('revoke')
  }

  /** Runs an action and answers its caller. */
  async perform ({ action, data, id }: MessageCommand): Promise<void> {
    let outcome: Outcome
    try {
      outcome = await act(this.#registration, this.#channel!, action, data, method => this.#asUser(method))
    } catch (error) {
      if (error instanceof Unauthorized) return
      outcome = failed(error, action, this.log)
    }
    if (id !== null) this.sink.write(encode(this.dialect.reply(id, outcome)))
    else if (!outcome.ok) this.sink.write(encode(this.dialect.error(outcome.reason)))
  }

  /** Hears and says nothing any more, and tells what still runs by its signal: the first half of an end. */
  silence (): void { if (!this.#isOver) this.#settle('ended') }

  /** Ends the subscription: streams first, then `unsubscribed()` (guide §4), once whatever ended it. */
  async end (reason: EndReason): Promise<void> {
    this.silence()
    await this.#ending.pay(reason)
  }

  send (data: unknown): void {
    const text = this.dialect.message(this.address, encodePayload(data))
    if (this.#state === 'confirmed') this.sink.write(encode(text))
    else if (this.#state === 'pending') (this.#sends ??= []).push(text)
    else this.#ignore('send')
  }

  broadcast (stream: string, data: unknown, options?: BroadcastOptions): Promise<void> { return this.#house.cable.broadcast(stream, data, options) }
  streamFrom (stream: string): void { if (this.#isOver) this.#ignore('streamFrom'); else this.#streams.start(stream) }
  stopStreamFrom (stream: string): void { this.#streams.stop(stream) }
  stopAllStreams (): void { this.#streams.stopAll() }

  reject (): never {
    if (this.#state === 'confirmed') throw new LateReject(this.channelName)
    if (this.#state === 'pending') this.#turnAway('rejected', null)
    this.#state = 'rejected'
    throw new Rejection('the subscription is rejected')
  }

  overflow (): void {
    this.log.warn('more broadcasts came than a subscription may hold')
    const wasConfirmed = this.isConfirmed
    this.#turnAway('refused', 'overflow')
    if (wasConfirmed) this.end('error').catch(() => {})
  }

  get #isOver (): boolean { return this.#state !== 'pending' && this.#state !== 'confirmed' }
  get #isRejected (): boolean { return this.#state === 'rejected' }

  async #subscribe (user: User | null): Promise<void> {
    try {
      await current.run(user, () => {
        this.#channel = new this.#registration.Class(this)
        return this.#channel.subscribed()
      })
    } catch (error) {
      // Whatever is thrown after reject() only unwinds an answer that was given.
      if (this.#isRejected) return
      throw error
    }
    if (this.#isRejected) return
    await this.#ending.owe(this.#channel!)
    // Refused meanwhile: it completed all the same, so it ends now.
    if (this.#state === 'refused') await this.end('error')
  }

  /** Runs the app's code as the user of this moment. */
  #asUser (work: () => unknown): unknown {
    const user = this.#visitor.identify()
    return isPromise(user) ? user.then(user => current.run(user, work)) : current.run(user, work)
  }

  #confirm (): void {
    this.#state = 'confirmed'
    for (const text of this.#sends ?? []) this.sink.write(encode(text))
    this.#sends = null
    this.#streams.confirm()
  }

  /** `rejected` by the channel itself, or `refused` by us. */
  #turnAway (state: 'rejected' | 'refused', reason: RejectReason | null): void {
    this.#settle(state)
    // A subscription that is taken back answers no subscribe.
    this.sink.write(encode(this.dialect.reject(this.address, reason === 'revoked' ? null : this.#ref, reason)))
  }

  #settle (state: 'rejected' | 'refused' | 'ended'): void {
    this.#state = state
    this.#sends = null
    this.#streams.close()
    this.#abort?.abort()
  }

  #ignore (word: string): void { this.log.debug(`${word}() does nothing after the end of the subscription`) }
}
