// What an app may ask of the Redis cable, and what becomes of it: checked once, here. Connects to nothing.
import type { Cluster, Redis } from 'ioredis'
import { InvalidOption } from './errors.ts'

export interface RedisCableOptions {
  /** Where Redis is: `redis:`, `rediss:` (TLS) or `unix:`. Default `redis://localhost:6379/0` (guide §12). */
  readonly url?: string
  /**
   * Instead of a URL: a client whose settings are taken, like `app.redis` of @fastify/redis. It is not used itself.
   * A Sentinel's client follows failovers; a `Cluster` uses sharded pub/sub (Redis 7).
   */
  readonly client?: Redis | Cluster
  /** Begins every name in Redis and ends with a colon; default `channels:cable:`. Apps that share a Redis need one each. */
  readonly prefix?: string
  /** True: a missing Redis is a warning at boot and the cable comes up with it. Default false: it is an error. */
  readonly startDegraded?: boolean
}

/** The options of a cable, checked and complete. */
export interface Resolved {
  readonly source: string | Redis | Cluster
  readonly prefix: string
  readonly startDegraded: boolean
}

const known: ReadonlySet<string> = new Set(['url', 'client', 'prefix', 'startDegraded'])
const protocols: ReadonlySet<string> = new Set(['redis:', 'rediss:', 'unix:'])

/** Checks the options. A wrong one is an error that says what to write. */
export function resolveOptions (options: RedisCableOptions): Resolved {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new InvalidOption(`there is no option "${name}"; there are ${[...known].join(', ')}`)
  }
  const { url, client, prefix = 'channels:cable:', startDegraded = false } = options
  if (url !== undefined && client !== undefined) throw new InvalidOption('either url or client, not both')
  if ('client' in options && typeof client?.duplicate !== 'function') throw new InvalidOption('client is an ioredis client, like app.redis of @fastify/redis; register that first')
  if (url !== undefined && !isAddress(url)) throw new InvalidOption("url is where Redis is, like 'redis://localhost:6379/0'")
  // Without braces the first one of a name ends its prefix, so that nested prefixes never meet.
  if (typeof prefix !== 'string' || !/^[^\s{}]{1,200}:$/.test(prefix)) throw new InvalidOption("prefix ends with a colon and has neither braces nor spaces, like 'myapp:cable:'")
  if (typeof startDegraded !== 'boolean') throw new InvalidOption('startDegraded is true or false')
  return { source: client ?? url ?? 'redis://localhost:6379/0', prefix, startDegraded }
}

function isAddress (url: unknown): boolean {
  return typeof url === 'string' && URL.canParse(url) && protocols.has(new URL(url).protocol)
}
