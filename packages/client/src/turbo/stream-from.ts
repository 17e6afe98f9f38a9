// The imperative way to a live page: a subscription whose broadcasts Turbo renders.
import { cable } from '../core.ts'
import type { Subscription } from '../subscription.ts'
import type { Callbacks, SubscribeOptions } from '../types.ts'
import { feed } from './feed.ts'

/** Subscribes to (channel, params) and lets Turbo render what comes, until it is unsubscribed. */
export function streamFrom (channel: string, params: object = {}, callbacks: Callbacks = {}, options: SubscribeOptions = {}): Subscription {
  const subscription: Subscription = cable.subscribe(channel, params, {
    ...callbacks,
    received (data) {
      callbacks.received?.(data)
      return feed(data, () => subscription.state !== 'unsubscribed')
    }
  }, options)
  return subscription
}
