// Cuts what is to be subscribed into commands: per connection, in a cluster per part, never more than one command may carry. Sends nothing.
import { BATCH } from './subscriber.ts'
import type { Subscriber } from './subscriber.ts'
import type { Subscribers } from './subscribers.ts'

/** Something with a channel. */
export interface Channelled {
  readonly part: number
  readonly channel: string
}

/** What of a list goes where, in its order. */
export function inBatches<T extends Channelled> (items: Iterable<T>, { isSharded }: Subscribers, of: (item: T) => Subscriber): Array<[Subscriber, T[]]> {
  const groups = new Map<Subscriber, Map<number, T[]>>()
  for (const item of items) {
    const subscriber = of(item)
    const parts = groups.get(subscriber) ?? new Map<number, T[]>()
    groups.set(subscriber, parts)
    const part = isSharded ? item.part : 0
    const group = parts.get(part)
    if (group === undefined) parts.set(part, [item])
    else group.push(item)
  }
  const batches: Array<[Subscriber, T[]]> = []
  for (const [subscriber, parts] of groups) {
    for (const group of parts.values()) {
      for (let from = 0; from < group.length; from += BATCH) batches.push([subscriber, group.slice(from, from + BATCH)])
    }
  }
  return batches
}
