// What an app imports from 'fastify-channels'.
import { fastifyChannels } from './plugin.ts'

export type { BackendHealth, BackendHost, Broadcast, CableBackend, Eventually, Publication, Retention } from './backend.ts'
export type { BroadcastOptions, Cable, Snapshot } from './cable.ts'
export { Channel } from './channel.ts'
export type { ActionDeclaration, ChannelClass, EndReason, Link } from './channel.ts'
export type { SlowPolicy } from './connection.ts'
export type { ConnectionFilter, DisconnectOptions } from './control.ts'
// A star, because an app augments Register through this module.
export * from './current.ts'
export { ActionError } from './errors.ts'
export type { HostOption } from './host.ts'
export type { LimitOptions, Limits } from './limits.ts'
export type { FastifyChannelsOptions, FastifyChannelsOptions as ChannelsOptions, HistoryOption } from './options.ts'
export type { OriginOption, OriginRule } from './origin.ts'
export type { ReplyCable } from './reply.ts'
export type { CookieSession, SessionAnswer, SessionOption, UserId } from './session.ts'
export { websocketOptions } from './websocket.ts'
export { fastifyChannels, fastifyChannels as default, fastifyChannels as 'module.exports' }
