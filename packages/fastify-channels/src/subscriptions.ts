// The subscriptions of one connection, by their keys: begins them, brings commands to them, ends them. Takes no turns itself.
import type { Address, MessageCommand, Params, RejectReason, SubscribeCommand, Tag, UnsubscribeCommand } from '@fastify-channels/protocol'
import type { EndReason } from './channel.ts'
import { encode } from './frame.ts'
import type { Registry } from './registry.ts'
import { Subscription } from './subscription.ts'
import type { House, Visitor } from './visitor.ts'

/** A command that is for a subscription. */
export type AddressedCommand = SubscribeCommand | MessageCommand | UnsubscribeCommand

/** What all connections of an app share. */
export interface Building extends House {
  readonly registry: Registry
}

export class Subscriptions {
  readonly #building: Building
  readonly #visitor: Visitor
  readonly #byKey = new Map<string, Subscription>()

  constructor (building: Building, visitor: Visitor) {
    this.#building = building
    this.#visitor = visitor
  }

  /** How many there are, pending ones included. */
  get size (): number {
    return this.#byKey.size
  }

  get keys (): Iterable<string> {
    return this.#byKey.keys()
  }

  has (key: string): boolean {
    return this.#byKey.has(key)
  }

  /** Runs a command of the client. */
  run (command: AddressedCommand): Promise<void> {
    switch (command.command) {
      case 'subscribe': return this.#subscribe(command)
      case 'message': return this.#message(command)
      case 'unsubscribe': return this.#unsubscribe(command)
    }
  }

  /** Takes one back and tells the client. */
  async revoke (key: string): Promise<void> {
    const subscription = this.#byKey.get(key)
    this.#byKey.delete(key)
    await subscription?.revoke()
  }

  /** None of them hears or says anything any more. */
  silence (): void {
    for (const subscription of this.#byKey.values()) subscription.silence()
  }

  /** Ends one because its connection ended. */
  async end (key: string, reason: EndReason): Promise<void> {
    const subscription = this.#byKey.get(key)
    this.#byKey.delete(key)
    await subscription?.end(reason)
  }

  async #subscribe (command: SubscribeCommand): Promise<void> {
    const { key, channel, params, ref, tab } = command
    const { registry, limits } = this.#building
    const { dialect, outlet } = this.#visitor
    if (!outlet.isOpen) return
    // A tab and positions are words of a dialect that has stamps.
    if (dialect.isStamped && tab !== null) outlet.tab = tab
    const asked = dialect.isStamped ? command.positions : null
    const existing = this.#byKey.get(key)
    if (existing?.isConfirmed) return existing.confirmAgain(ref, asked)
    const registration = registry.get(channel)
    if (registration === undefined) return this.#reject(command, ref, 'unknown_channel')
    if (this.#byKey.size >= limits.maxSubscriptions) return this.#reject(command, ref, 'too_many_subscriptions')
    const checked = registration.params === null ? { ok: true as const, value: params } : registration.params(params)
    if (!checked.ok) return this.#reject(command, ref, 'invalid_params')
    const own = held(checked.value) as Params
    // Without a schema what the channel sees is what the client said: then one copy is enough.
    const address = { channel: registration.name, params: registration.params === null ? own : params }
    const subscription = new Subscription(this.#building, this.#visitor, registration, address, own, ref)
    this.#byKey.set(key, subscription)
    if (!await subscription.start(asked) && outlet.isOpen && this.#byKey.get(key) === subscription) this.#byKey.delete(key)
  }

  async #message (command: MessageCommand): Promise<void> {
    const subscription = this.#byKey.get(command.key)
    if (!subscription?.isServing) return this.#visitor.refuse({ reason: 'not_subscribed', id: command.id })
    // What a client said before it left still counts; not so what somebody said who was sent away.
    if (!this.#visitor.isSentAway) await subscription.perform(command)
  }

  async #unsubscribe ({ key }: UnsubscribeCommand): Promise<void> {
    await this.end(key, 'unsubscribe')
  }

  #reject (to: Address, ref: Tag | null, reason: RejectReason): void {
    const { dialect, outlet } = this.#visitor
    outlet.write(encode(dialect.reject(to, ref, reason)))
  }
}

/** A copy of a client's value that nobody can change and that inherits nothing. */
function held (value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(held))
  if (typeof value !== 'object' || value === null) return value
  const copy: { [name: string]: unknown } = {}
  // No key is called __proto__: such a command was refused. Made without a prototype it would be twice as large.
  for (const [name, item] of Object.entries(value)) copy[name] = held(item)
  return Object.freeze(Object.setPrototypeOf(copy, null))
}
