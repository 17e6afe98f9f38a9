// Who is speaking right now, in channels and in routes alike: a view on the asynchronous context. Never loads anybody.
import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * The place where an app says what its user is:
 * `declare module 'fastify-channels' { interface Register { user: User } }`
 */
export interface Register {}

/** The app's user, once `Register` says what it is. */
export type User = Register extends { user: infer U } ? U : any

const visitor = new AsyncLocalStorage<{ readonly user: User | null }>()

/** The current visitor (guide §5). The same in channels, in actions and in HTTP routes. */
export const current = {
  /** The server-verified user, or null for a visitor nobody knows. */
  get user (): User | null {
    return visitor.getStore()?.user ?? null
  },

  /**
   * Runs `fn` with `user` as the current one, for an app whose own authentication knows better.
   * @returns what `fn` returns
   */
  run<T> (user: User | null, fn: () => T): T {
    return visitor.run({ user }, fn)
  }
}
