// Which methods of a channel a client may call: read once per class, from descriptors, so that no getter ever runs. Calls nothing.
import { isWellFormed } from '@fastify-channels/protocol'
import { Channel } from './channel.ts'
import type { ChannelClass } from './channel.ts'
import { InvalidChannel } from './errors.ts'

/** A method a client may call. */
export type Method = (this: Channel<any>, data: unknown) => unknown

// Methods that would turn an instance into something else for the language itself: a promise, a JSON value.
const treacherous = ['then', 'toJSON']
// guide §6 names these; here they are spelled in camel case, but a client of the guide may still try them.
const guideNames = ['stream_from', 'stop_stream_from', 'stop_all_streams']
const reserved = new Set([...Object.getOwnPropertyNames(Channel.prototype), ...guideNames, ...treacherous])
const universal = new Set(Object.getOwnPropertyNames(Object.prototype))

/** True for a name that can be no action whatever the channel looks like (guide §6). */
export function isInvalidAction (name: unknown): boolean {
  return typeof name !== 'string' || name === '' || name.length > 64 || name.startsWith('_') || reserved.has(name) || !isWellFormed(name)
}

/** The public methods of a class and of the app's own base classes below Channel. Throws where one could never be safe. */
export function publicMethods (name: string, Class: ChannelClass): Map<string, Method> {
  const methods = new Map<string, Method>()
  const seen = new Set<string>()
  for (let level = Class.prototype; level !== Channel.prototype; level = Object.getPrototypeOf(level)) {
    for (const key of Object.getOwnPropertyNames(level)) {
      // What a derived class hides stays hidden.
      if (seen.has(key)) continue
      seen.add(key)
      if (treacherous.includes(key)) throw new InvalidChannel(name, `has a method called "${key}", which the language itself would call; rename it`)
      if (isInvalidAction(key) || universal.has(key)) continue
      const { value } = Object.getOwnPropertyDescriptor(level, key)!
      if (typeof value === 'function') methods.set(key, value)
    }
  }
  return methods
}
