// What one process asks of all: end connections, end subscriptions. Written and read by hand, so that nothing else gets through.
import { isObject } from '@fastify-channels/protocol'

/** Whose connections are meant: exactly one of these. */
export type ConnectionFilter =
  /** All of a user's, as `session.userId` gave it; compared as a string. */
  | { readonly userId: string | number }
  /** Those of one session, as `session` gave it: with a signed cookie, its verified value. */
  | { readonly sessionId: string }
  /** One connection: `this.connectionId` in a channel. */
  | { readonly connectionId: string }

export interface DisconnectOptions {
  /** True: the client comes back and is authorised again. Default false: it stays away until the page connects anew. */
  readonly reconnect?: boolean
}

const fields = ['userId', 'sessionId', 'connectionId'] as const

/** A filter as it travels. */
export interface Matcher {
  readonly by: typeof fields[number]
  readonly id: string
}

/** A control message, as every process gets it. */
export type Control =
  | { readonly verb: 'disconnect', readonly filter: Matcher, readonly reconnect: boolean }
  | { readonly verb: 'revoke', readonly filter: Matcher, readonly key: string }

/** The filter of an app. Throws where it could mean nobody or everybody. */
export function checkFilter (filter: ConnectionFilter): Matcher {
  const given = Object.entries(filter ?? {}).filter(([, id]) => id !== undefined)
  const [by, id] = given[0] ?? []
  if (given.length !== 1 || !fields.includes(by as Matcher['by'])) throw new TypeError('say whose connections: exactly one of { userId }, { sessionId }, { connectionId }')
  if (typeof id !== 'string' && typeof id !== 'number') throw new TypeError(`${by} is a string or a number`)
  return { by: by as Matcher['by'], id: String(id) }
}

export function writeControl (control: Control): string {
  return JSON.stringify(control)
}

/** Reads a message of another process, or null for what is none. */
export function readControl (message: string): Control | null {
  try {
    const { verb, filter, reconnect, key }: { [key: string]: unknown } = JSON.parse(message)
    if (!isObject(filter) || !fields.includes(filter.by as Matcher['by']) || typeof filter.id !== 'string') return null
    const matcher = { by: filter.by as Matcher['by'], id: filter.id }
    if (verb === 'disconnect' && typeof reconnect === 'boolean') return { verb, filter: matcher, reconnect }
    return verb === 'revoke' && typeof key === 'string' ? { verb, filter: matcher, key } : null
  } catch {
    return null
  }
}
