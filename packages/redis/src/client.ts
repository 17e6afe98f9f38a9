// Our own connections to Redis, made from what the app gave: never shared, never resending, never queueing for later.
import { Redis } from 'ioredis'
import type { Cluster, ClusterOptions, RedisOptions } from 'ioredis'

/** How long one command may take, in milliseconds; a broadcast that was not taken by then is refused. */
export const PATIENCE = 900

/** Milliseconds before an attempt: doubled up to five seconds, the second half of it random. */
const backoff = (attempt: number) => Math.min(50 * 2 ** (attempt - 1), 5000) * (0.5 + Math.random() / 2)

const everywhere = {
  // A publish that may have happened is not tried again.
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  enableAutoPipelining: false,
  // The prefix is ours: this one would be left out of channels.
  keyPrefix: '',
  stringNumbers: false,
  connectTimeout: 5000,
  disconnectTimeout: 50
}

const single = {
  ...everywhere,
  lazyConnect: true,
  // Nothing waits for a Redis that is away.
  enableOfflineQueue: false,
  readOnly: false,
  retryStrategy: backoff
} satisfies RedisOptions

const inCluster = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  shardedSubscribers: false,
  scaleReads: 'master',
  keyPrefix: '',
  // Refused at once instead of sent twice.
  retryDelayOnFailover: 0,
  // The map of the parts is read anew by us: ioredis' own timer goes on for ever where its client is closed while it reads.
  slotsRefreshInterval: 0,
  clusterRetryStrategy: backoff
} satisfies ClusterOptions

/** A connection for commands. Not connected yet. */
export function commandClient (source: string | Redis | Cluster): Redis | Cluster {
  const options = { ...single, commandTimeout: PATIENCE, connectionName: 'channels-commands' }
  if (typeof source === 'string') return new Redis(source, options)
  if (!isCluster(source)) return source.duplicate(options)
  return source.duplicate([], { ...inCluster, redisOptions: { ...source.options.redisOptions, ...everywhere, commandTimeout: PATIENCE } as object })
}

/** A connection that hears channels. Its answers have no deadline: a subscription that comes late still counts. */
export function subscriberClient (source: string | Redis): Redis {
  const options = { ...single, connectionName: 'channels-subscriber' }
  return typeof source === 'string' ? new Redis(source, options) : source.duplicate({ ...options, commandTimeout: undefined } as object)
}

/** True for a client of Redis Cluster, of whichever copy of ioredis. */
export function isCluster (source: Redis | Cluster): source is Cluster {
  return source.isCluster
}

/** What a cluster client's map calls a node. */
export function nameOf ({ options: { host, port } }: Redis): string {
  return `${host}:${port}`
}

/** Where a client connects to, without its password. */
export function addressOf (client: Redis | Cluster): string {
  if (isCluster(client)) return 'the cluster'
  const { path, sentinels, name } = client.options
  return path ?? (sentinels ? `the Sentinel's "${name}"` : nameOf(client))
}
