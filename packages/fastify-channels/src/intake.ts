// What comes in on one connection: commands are counted, read, and take their turns. Never runs one itself.
import { readCommand } from '@fastify-channels/protocol'
import type { Refusal } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Limits } from './limits.ts'
import type { AddressedCommand } from './subscriptions.ts'
import { Turns } from './turns.ts'

/** The connection it works for: declared here, implemented there. */
export interface IntakeOwner {
  readonly log: FastifyBaseLogger
  run: (command: AddressedCommand) => Promise<void>
  refuse: (refusal: Pick<Refusal, 'id'> & { readonly reason: string }) => void
  /** Whether the socket is read. */
  read: (isRead: boolean) => void
  /** The peer broke the rules too often. */
  violated: () => void
}

/** Milliseconds in which violations are counted together. */
const WINDOW = 10_000
/** A second of commands over the rate counts for so many: a burst is forgiven, a flood is not. */
const FLOOD = 3

export class Intake {
  readonly #owner: IntakeOwner
  readonly #limits: Limits
  readonly #turns = new Turns()
  #pending = 0
  #isPaused = false
  // Whole milliseconds, here and below: most connections are idle, and a fraction would cost each of them an object.
  /** When all that came would have come, at the rate that is allowed. */
  #paidUntil = 0
  #complainedAt = 0
  #violations = 0
  #violatedAt = 0

  constructor (owner: IntakeOwner, limits: Limits) {
    this.#owner = owner
    this.#limits = limits
  }

  /** True while the socket is not read because too much is under way. */
  get isPaused (): boolean {
    return this.#isPaused
  }

  /** Takes one message of the client. */
  take (text: string): void {
    // Counted before it is read: reading is what a flood would make us pay for.
    if (!this.#isAllowed()) return this.#complain()
    const command = readCommand(text, this.#limits)
    if (command.command === 'refused') {
      this.#owner.refuse(command)
      this.#violate(1)
    } else if (command.command !== 'pong') {
      this.#queue(command)
    }
  }

  /** Runs the end of a subscription after what runs of it, but waits no longer than `endTimeout`. */
  end (key: string, task: () => Promise<void>): Promise<void> {
    // A running action that never settles must not hold a subscription for ever.
    return this.#turns.takeWithin(this.#limits.endTimeout, key, task)
  }

  #queue (command: AddressedCommand): void {
    this.#pending++
    const run = () => this.#owner.run(command)
    const done = command.command === 'unsubscribe' ? this.end(command.key, run) : this.#turns.take(command.key, run)
    done.then(() => this.#finish(), error => {
      this.#owner.log.error({ err: error }, 'a command failed')
      this.#finish()
    })
    if (!this.#isPaused && this.#pending >= this.#limits.maxPendingCommands) this.#pause(true)
  }

  #finish (): void {
    this.#pending--
    if (this.#isPaused && this.#pending < this.#limits.maxPendingCommands) this.#pause(false)
  }

  #pause (isPaused: boolean): void {
    this.#isPaused = isPaused
    this.#owner.read(!isPaused)
  }

  #isAllowed (): boolean {
    const { commandRate, commandBurst } = this.#limits
    if (commandRate === Infinity) return true
    const now = clock()
    const cost = 1000 / commandRate
    const paidUntil = Math.max(this.#paidUntil, now)
    // A burst borrows from the time to come.
    if (paidUntil - now > (commandBurst - 1) * cost) return false
    this.#paidUntil = Math.ceil(paidUntil + cost)
    return true
  }

  #complain (): void {
    const now = clock()
    if (this.#complainedAt !== 0 && now - this.#complainedAt < 1000) return
    this.#complainedAt = now
    this.#owner.refuse({ reason: 'rate_limited', id: null })
    this.#violate(FLOOD)
  }

  #violate (weight: number): void {
    const now = clock()
    if (now - this.#violatedAt > WINDOW) {
      this.#violatedAt = now
      this.#violations = 0
    }
    if ((this.#violations += weight) > this.#limits.violations) this.#owner.violated()
  }
}

function clock (): number {
  return Math.floor(performance.now())
}
