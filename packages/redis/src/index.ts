// What an app imports from '@fastify-channels/redis'.
import type { CableBackend } from 'fastify-channels'
import { RedisBackend } from './backend.ts'
import { resolveOptions } from './options.ts'
import type { RedisCableOptions } from './options.ts'

export type { RedisCableOptions } from './options.ts'

/**
 * The cable of an app with more than one process: broadcasts, their history and disconnects travel through Redis (guide §12).
 *
 * @throws FST_CHANNELS_INVALID_OPTION; at boot FST_CHANNELS_REDIS_UNREACHABLE
 *
 * @example
 * await app.register(channels, { cable: redisCable({ url: process.env.REDIS_URL, prefix: 'myapp:cable:' }) })
 */
export function redisCable (options: RedisCableOptions = {}): CableBackend {
  return new RedisBackend(resolveOptions(options))
}
