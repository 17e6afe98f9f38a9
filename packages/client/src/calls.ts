// The calls of a cable that have no answer yet. Every one settles; none is written twice.
import type { ReplyFrame } from '@fastify-channels/protocol'
import { CableError } from './error.ts'
import type { PerformOptions } from './types.ts'

/** On whose behalf a call is made: declared here, implemented by a listener. */
export interface Caller {
  /** Why it may make no call any more. */
  readonly refusal: string | null
}

/** What a call is addressed to: declared here, implemented by a membership. */
export interface Addressee {
  readonly channel: string
  readonly params: object
  /** The server would serve a call now. */
  readonly isConfirmed: boolean
}

/** How calls leave: declared here, implemented by the cable. */
export interface Way {
  /** The connection is gone and does not come back by itself. */
  readonly isStopped: boolean
  /** A number never given before. */
  count: () => number
  /** Writes the text of a command. False when there is no connection to write it on. */
  send: (text: string) => boolean
}

interface Call {
  readonly caller: Caller
  readonly to: Addressee
  readonly text: string
  isWritten: boolean
  readonly done: (data: unknown) => void
  readonly fail: (reason: string, data?: unknown) => void
}

/** Calls that one subscription may have waiting for its confirmation. */
const MOST_WAITING = 100
/** The longest time a timer can take. */
const LONGEST = 2 ** 31 - 1

export class Calls {
  readonly #way: Way
  readonly #timeout: number
  readonly #calls = new Map<number, Call>()

  constructor (way: Way, timeout = 10_000) {
    this.#way = way
    this.#timeout = timeout
  }

  /** Makes a call, at once or as soon as it can be served. */
  perform (caller: Caller, to: Addressee, action: string, data: unknown, { timeout = this.#timeout, signal }: PerformOptions = {}): Promise<unknown> {
    const promise = new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      if (this.#waiting(caller) >= MOST_WAITING) throw new CableError('overflow')
      const id = this.#way.count()
      const end = <T>(settle: (value: T) => void, value: T): void => {
        this.#calls.delete(id)
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        settle(value)
      }
      const fail = (reason: string, data?: unknown): void => end(reject, new CableError(reason, data))
      const abort = (): void => end(reject, signal!.reason)
      const text = JSON.stringify({ command: 'message', channel: to.channel, params: to.params, action, data, id })
      const timer = setTimeout(fail, Math.min(timeout, LONGEST), 'timeout')
      signal?.addEventListener('abort', abort)
      this.#calls.set(id, { caller, to, text, isWritten: false, done: data => end(resolve, data), fail })
    })
    // Nobody has to wait for an answer.
    promise.catch(() => {})
    this.flush()
    return promise
  }

  /** Writes what waited and can go now, in the order it was called; fails what can never go. */
  flush (): void {
    for (const call of this.#calls.values()) {
      if (call.isWritten) continue
      const refusal = call.caller.refusal ?? (this.#way.isStopped ? 'disconnected' : null)
      if (refusal !== null) call.fail(refusal)
      else if (call.to.isConfirmed) call.isWritten = this.#way.send(call.text)
    }
  }

  /** The server answered. */
  settle ({ id, status, reason, data }: ReplyFrame): void {
    const call = this.#calls.get(id as number)
    if (status === 'ok') call?.done(data)
    else call?.fail(reason!, data)
  }

  /** The connection is gone: nobody knows whether a written call ran, so it is not written again. */
  disconnect (): void {
    for (const call of this.#calls.values()) if (call.isWritten) call.fail('disconnected')
    this.flush()
  }

  #waiting (caller: Caller): number {
    return [...this.#calls.values()].filter(call => call.caller === caller && !call.isWritten).length
  }
}
