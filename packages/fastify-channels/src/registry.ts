// The channels of an app: name → class, its actions and its checks, made once at boot. Clients' strings only ever look up in Maps.
import type { FastifyInstance } from 'fastify'
import { Channel } from './channel.ts'
import type { ChannelClass } from './channel.ts'
import { DuplicateChannel, InvalidChannel } from './errors.ts'
import { compile } from './schema.ts'
import type { Check } from './schema.ts'
import { isInvalidAction, publicMethods } from './surface.ts'
import type { Method } from './surface.ts'

/** One action of a channel. */
export interface Action {
  readonly method: Method
  readonly data: Check | null
  readonly reply: Check | null
}

/** A registered channel. */
export interface Registration {
  readonly name: string
  readonly Class: ChannelClass
  /** The context it was registered in. */
  readonly app: FastifyInstance
  readonly actions: ReadonlyMap<string, Action>
  readonly params: Check | null
}

export class Registry {
  readonly #added = new Map<string, { Class: ChannelClass, app: FastifyInstance, methods: ReadonlyMap<string, Method> }>()
  readonly #ready = new Map<string, Registration>()
  readonly #declaredOnly: boolean

  /** @param declaredOnly refuse classes without `static actions` */
  constructor (declaredOnly: boolean) {
    this.#declaredOnly = declaredOnly
  }

  /** Adds a channel, under `as`, else its `channelName`, else the name of its class. */
  add (app: FastifyInstance, Class: ChannelClass, as?: string): void {
    const name = as ?? Class?.channelName ?? Class?.name ?? String(Class)
    if (!isChannelClass(Class)) throw new InvalidChannel(name, 'is no class that extends Channel')
    if (typeof name !== 'string' || name === '') throw new InvalidChannel(String(name), 'needs a name: the key under which it is registered, or `static channelName`')
    if (this.#added.has(name)) throw new DuplicateChannel(name)
    this.#added.set(name, { Class, app, methods: this.#surface(name, Class) })
  }

  /** Compiles all schemas, once every context knows its own; called when the app is ready. */
  compile (): void {
    for (const [name, { Class, app, methods }] of this.#added) {
      const check = (schema: unknown, where: string) => {
        try {
          return schema === undefined ? null : compile(app.validatorCompiler!, schema, `${name}.${where}`)
        } catch (error) {
          throw new InvalidChannel(name, `has a schema for ${where} that does not compile: ${(error as Error).message}`)
        }
      }
      const actions = new Map([...methods].map(([action, method]) => {
        const declared = Class.actions?.[action]
        const { data, reply } = typeof declared === 'object' ? declared : { data: undefined, reply: undefined }
        return [action, { method, data: check(data, `${action}.data`), reply: check(reply, `${action}.reply`) }]
      }))
      this.#ready.set(name, { name, Class, app, actions, params: check(Class.params, 'params') })
      app.log.info({ channel: name, actions: [...methods.keys()] }, `channel ${name}: ${methods.size === 0 ? 'no actions' : `actions ${[...methods.keys()].join(', ')}`}`)
    }
  }

  /** The channel of that name. */
  get (name: string): Registration | undefined {
    return this.#ready.get(name)
  }

  #surface (name: string, Class: ChannelClass): ReadonlyMap<string, Method> {
    const methods = publicMethods(name, Class)
    if (Class.actions === undefined) {
      if (this.#declaredOnly) throw new InvalidChannel(name, "has no `static actions`, and the option actions: 'declared' asks for it")
      return methods
    }
    return new Map(Object.keys(Class.actions).filter(action => Class.actions![action] !== false).map(action => {
      const method = methods.get(action)
      if (method === undefined) throw new InvalidChannel(name, isInvalidAction(action) ? `declares the action "${action}", a name that no action can have` : `declares the action "${action}" but has no public method of that name`)
      return [action, method]
    }))
  }
}

function isChannelClass (Class: unknown): Class is ChannelClass {
  return typeof Class === 'function' && Class.prototype instanceof Channel
}

/** True when a class asks for the validator compiler of its context. */
export function hasSchemas (Class: ChannelClass): boolean {
  return Class.params !== undefined || Object.values(Class.actions ?? {}).some(declared => typeof declared === 'object')
}
