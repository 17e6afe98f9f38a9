// What an app imports from 'fastify-channels'.
import { Channel } from './channel.ts'
import { current } from './current.ts'
import { ActionError } from './errors.ts'
import { fastifyChannels } from './plugin.ts'
import { websocketOptions } from './websocket.ts'

export type { BackendHealth, BackendHost, Broadcast, CableBackend, Eventually, Publication, Retention } from './backend.ts'
export type { BroadcastOptions, Cable, Counts, Snapshot } from './cable.ts'
export { Channel }
export type { ActionDeclaration, ChannelClass, EndReason, Link } from './channel.ts'
export type { SlowPolicy } from './outlet.ts'
export type { ConnectionFilter, DisconnectOptions } from './control.ts'
// A star, because an app augments Register through this module.
export * from './current.ts'
export type { CompressOption } from './deflate.ts'
export { ActionError }
export type { HostOption } from './host.ts'
export type { LimitOptions, Limits } from './limits.ts'
export type { FastifyChannelsOptions, FastifyChannelsOptions as ChannelsOptions, HistoryOption } from './options.ts'
export type { OriginOption, OriginRule } from './origin.ts'
export type { ReplyCable } from './reply.ts'
export type { CookieSession, SessionAnswer, SessionOption, UserId } from './session.ts'
export { websocketOptions }

/** What `require('fastify-channels')` gives: one value, so the plugin carries the rest. */
const required = Object.assign(fastifyChannels, { default: fastifyChannels, fastifyChannels, Channel, current, ActionError, websocketOptions })
export { fastifyChannels, fastifyChannels as default, required as 'module.exports' }
