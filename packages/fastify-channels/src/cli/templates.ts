// The files as they are generated: what they say, to the letter. Knows no folders.
import type { ChannelName } from './channel-name.ts'

/** channels/app-channel.ts */
export function appChannel (): string {
  return `// AppChannel: what all channels of this app have in common.
import { Channel } from 'fastify-channels'

export abstract class AppChannel<Params extends object = { readonly [name: string]: any }> extends Channel<Params> {
  // What is written here is there in every channel of this app. A page can only call what a channel lists in its actions.
}
`
}

/** channels/index.ts */
export function roster (): string {
  return `// The channels of this app, by the names clients use. \`npx fastify-channels g channel Chat\` adds one.

export const channels = {
}

/** For a typed client: \`createCable<Channels>()\`. */
export type Channels = typeof channels
`
}

/** config/channels.ts */
export function config (ending: string): string {
  return `// How this app's cable is set up: where it is, how broadcasts cross processes, and who is connected.
import type { FastifyChannelsOptions } from 'fastify-channels'
import type { FastifyRequest } from 'fastify'
import { channels } from '../channels/index.${ending}'

export const config: FastifyChannelsOptions = {
  channels,

  // The one address of the socket. A page has to know when it is another one: cable.connect('/live').
  path: '/cable',

  // Broadcasts stay within this process. As soon as there are two, they cross through Redis:
  // npm install @fastify-channels/redis, import { redisCable } from '@fastify-channels/redis', and
  // cable: process.env.REDIS_URL ? redisCable({ url: process.env.REDIS_URL, prefix: 'myapp:cable:' }) : undefined,

  session: userId,
  findUser
}

/**
 * The id of the user a request belongs to, null for a visitor: asked once per connection, at its handshake.
 * With a session in a cookie that @fastify/cookie signs, write above instead:
 * session: { cookie: 'session', userId: id => sessions.userId(id) }
 */
function userId (_request: FastifyRequest): string | null {
  return null
}

/** The user of an id, null when there is none any more: asked before \`subscribed()\` and before every action. It is \`current.user\` there. */
async function findUser (_id: string): Promise<object | null> {
  return null
}
`
}

/** channels/<name>-channel.ts */
export function channel ({ className, stream }: ChannelName, ending: string): string {
  return `// ${className}: decides who may listen, and what a page may say.
import { AppChannel } from './app-channel.${ending}'

export class ${className} extends AppChannel<{ room: string }> {
  // What a page subscribes with. It is checked before anything here runs.
  static override params = {
    type: 'object',
    required: ['room'],
    properties: { room: { type: 'string', minLength: 1 } }
  }

  // What a page may call, and nothing else.
  static override actions = {
    speak: {
      data: {
        type: 'object',
        required: ['message'],
        properties: { message: { type: 'string' } }
      }
    }
  }

  override subscribed () {
    // Who may not listen is turned away here: if (!this.authenticated) this.reject()
    this.streamFrom(\`${stream}_\${this.params.room}\`)
  }

  async speak (data: { message: string }) {
    await this.broadcast(\`${stream}_\${this.params.room}\`, { message: data.message })
  }
}
`
}
