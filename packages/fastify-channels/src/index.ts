// What an app imports from 'fastify-channels'.
import { fastifyChannels } from './plugin.ts'

export type { BackendHealth, BackendHost, CableBackend, Eventually, PublishOptions } from './backend.ts'
export type { Cable, DisconnectFilter, DisconnectOptions } from './cable.ts'
export { Channel } from './channel.ts'
export type { ActionDeclaration, ChannelClass, EndReason, Link } from './channel.ts'
// A star, because an app augments Register through this module.
export * from './current.ts'
export { ActionError } from './errors.ts'
export type { LimitOptions, Limits } from './limits.ts'
export type { FastifyChannelsOptions, FastifyChannelsOptions as ChannelsOptions } from './options.ts'
export type { OriginOption, OriginRule } from './origin.ts'
export type { ReplyCable } from './reply.ts'
export type { CookieSession, SessionOption, UserId } from './session.ts'
export { websocketOptions } from './websocket.ts'
export { fastifyChannels, fastifyChannels as default, fastifyChannels as 'module.exports' }
