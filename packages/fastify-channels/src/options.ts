// What an app may ask of the plugin, and what becomes of it: resolved once, here. Everything below takes finished things.
import type { FastifyCookieOptions } from '@fastify/cookie'
import { isObject } from '@fastify-channels/protocol'
import type { CableBackend, Eventually, Retention } from './backend.ts'
import type { RetentionOf } from './cable.ts'
import type { ChannelClass } from './channel.ts'
import type { SlowPolicy } from './outlet.ts'
import type { User } from './current.ts'
import type { CompressOption } from './deflate.ts'
import { InvalidOption } from './errors.ts'
import { hostCheck } from './host.ts'
import type { HostOption } from './host.ts'
import { resolveLimits } from './limits.ts'
import type { LimitOptions, Limits } from './limits.ts'
import type { OriginOption } from './origin.ts'
import type { SessionOption, UserId } from './session.ts'

export interface FastifyChannelsOptions {
  /** Where the socket is; default `/cable`. */
  readonly path?: string | undefined
  /** Channels by the name clients use. More with `app.channel(Class)`, in any context. */
  readonly channels?: { readonly [name: string]: ChannelClass } | undefined
  /** Where the user's id comes from. Without it everybody is anonymous. */
  readonly session?: SessionOption | undefined
  /** Loads the user of an id: before `subscribed()`, before every action, and once per request of a logged-in user. */
  readonly findUser?: ((userId: any) => Eventually<User | null | undefined>) | undefined
  /** How broadcasts cross processes; default: they do not leave this one. */
  readonly cable?: CableBackend | undefined
  /** `'declared'` refuses channels without `static actions`. */
  readonly actions?: 'public' | 'declared' | undefined
  /** Which pages may connect; default: those of this very host. */
  readonly origin?: OriginOption | undefined
  /** The hosts this server answers to; default: any. Set it where visitors need no login and the server is inside a network. */
  readonly hosts?: HostOption | undefined
  /** How many broadcasts of a stream are kept for those who missed them, and for how many milliseconds; false: none. Default `{ size: 128, ttl: 300_000 }`. */
  readonly history?: HistoryOption | ((stream: string) => HistoryOption) | undefined
  /** What a peer too slow to follow hears of broadcasts without history; default `'latest'`. */
  readonly slow?: SlowPolicy | ((stream: string) => SlowPolicy) | undefined
  /** Compresses broadcasts, each once for everybody; default false. */
  readonly compress?: CompressOption | undefined
  /** What a stranger may hold. */
  readonly limits?: LimitOptions | undefined
  /** The path of the browser client, or false not to serve it; default `/cable.js`. */
  readonly client?: string | false | undefined
  /** With a secret, @fastify/cookie is registered with these options. */
  readonly cookie?: FastifyCookieOptions | undefined
}

/** What is kept of a stream. */
export type HistoryOption = false | Partial<Retention>

/** The options of an app, checked and complete. */
export interface Resolved {
  readonly path: string
  readonly channels: { readonly [name: string]: ChannelClass }
  readonly session: SessionOption | undefined
  readonly findUser: ((userId: any) => Eventually<User | null | undefined>) | undefined
  readonly cable: CableBackend | undefined
  readonly declaredOnly: boolean
  readonly origin: OriginOption | undefined
  readonly hosts: HostOption | undefined
  readonly retentionOf: RetentionOf
  readonly slowPolicyOf: (stream: string) => SlowPolicy
  readonly compress: CompressOption
  readonly limits: Limits
  readonly client: string | false
  readonly cookie: FastifyCookieOptions | undefined
}

const known: ReadonlySet<string> = new Set(['path', 'channels', 'session', 'findUser', 'cable', 'actions', 'origin', 'hosts', 'history', 'slow', 'compress', 'limits', 'client', 'cookie', 'prefix', 'logLevel', 'logSerializers'])

/** Checks the options. A wrong one is an error that says what to write. */
export function resolveOptions (options: FastifyChannelsOptions): Resolved {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new InvalidOption(`there is no option "${name}"; there are path, channels, session, findUser, cable, actions, origin, hosts, history, slow, compress, limits, client, cookie`)
  }
  const { path = '/cable', channels = {}, session, findUser, cable, actions = 'public', origin, hosts, history, slow = 'latest', compress = false, limits, client = '/cable.js', cookie } = options
  if (!isPath(path)) throw new InvalidOption("path is where the socket is, like '/cable'")
  if (client !== false && !isPath(client)) throw new InvalidOption("client is the path of the browser client, like '/cable.js', or false")
  if (actions !== 'public' && actions !== 'declared') throw new InvalidOption("actions is 'public' or 'declared'")
  if (session !== undefined && typeof session !== 'function' && typeof session?.cookie !== 'string') throw new InvalidOption('session is { cookie, userId } or a function of the request')
  if (session !== undefined && typeof findUser !== 'function') throw new InvalidOption('session says who is there, so findUser: id => user is needed as well')
  if (findUser !== undefined && session === undefined) throw new InvalidOption('findUser is never asked without session: { cookie, userId }')
  if (typeof channels !== 'object' || channels === null) throw new InvalidOption('channels is an object: { ChatChannel }')
  if (cable !== undefined && typeof (cable as CableBackend | null)?.publish !== 'function') throw new InvalidOption("cable is a backend, like redisCable({ url }) of '@fastify-channels/redis'")
  hostCheck(hosts)
  return { path, channels, session, findUser, cable, declaredOnly: actions === 'declared', origin, hosts, retentionOf: retention(history), slowPolicyOf: slowPolicy(slow), compress, limits: resolveLimits(limits), client, cookie }
}

function isPath (path: unknown): path is string {
  return typeof path === 'string' && /^\/[^\s?#*:]*$/.test(path)
}

const standard: Retention = { size: 128, ttl: 300_000 }

function retention (history: FastifyChannelsOptions['history']): RetentionOf {
  if (typeof history === 'function') return stream => toRetention(history(stream))
  const always = toRetention(history ?? {})
  return () => always
}

function toRetention (option: HistoryOption): Retention | null {
  if (option === false) return null
  if (!isObject(option)) throw new InvalidOption('history is { size, ttl }, false, or a function of the stream that gives one of these')
  const { size = standard.size, ttl = standard.ttl } = option as Partial<Retention>
  if (!(Number.isInteger(size) && size >= 1) || !(ttl >= 1)) throw new InvalidOption('history: size is a whole number of broadcasts from 1, ttl a number of milliseconds from 1')
  return { size, ttl }
}

function slowPolicy (slow: NonNullable<FastifyChannelsOptions['slow']>): (stream: string) => SlowPolicy {
  if (typeof slow === 'function') return slow
  if (slow !== 'latest' && slow !== 'close') throw new InvalidOption("slow is 'latest', 'close', or a function of the stream that gives one of these")
  return () => slow
}

export type { UserId }
