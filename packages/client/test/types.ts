// What a client knows of an app's channels before anything runs: checked by the compiler alone, and never run.
import { Channel } from 'fastify-channels'
import { createCable, streamFrom, TurboStreamChannelElement } from '../src/index.ts'
import type { ActionOf, Cable, ParamsOf, ReplyOf, Subscription } from '../src/index.ts'

class ChatChannel extends Channel<{ room: number, mood?: string }> {
  static actions = { speak: true, count: true, typing: true, receive: true }
  title = 'a field is no action'

  override subscribed (): void {}
  async speak (data: { message: string }): Promise<{ id: number }> { return { id: data.message.length } }
  count (): number { return 1 }
  typing (_data?: boolean): void {}
  receive (data: 'hello'): string { return data }
  _hidden (): void {}
}

class InboxChannel extends Channel<{}> {
  read (id: number): boolean { return id > 0 }
}

// As an app writes it: a map of the classes, or of their instances.
const byInstance = createCable<{ ChatChannel: ChatChannel, InboxChannel: InboxChannel }>()
const byClass = createCable<{ ChatChannel: typeof ChatChannel, InboxChannel: typeof InboxChannel }>()
const untyped = createCable()

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function holds<Yes extends true> (yes?: Yes): void

holds<Same<ActionOf<ChatChannel>, 'speak' | 'count' | 'typing' | 'receive'>>()
holds<Same<ActionOf<typeof InboxChannel>, 'read'>>()
holds<Same<ParamsOf<typeof ChatChannel>, { room: number, mood?: string }>>()
holds<Same<ReplyOf<ChatChannel, 'speak'>, { id: number }>>()
holds<Same<ReplyOf<ChatChannel, 'count'>, number>>()

/** What a page would write; each line that must not compile says so. */
export async function page (cable: typeof byInstance | typeof byClass): Promise<void> {
  const chat = byInstance.subscribe('ChatChannel', { room: 1 }, {
    connected ({ reconnected, recovered, gap }) {
      holds<Same<typeof reconnected, boolean>>()
      holds<Same<typeof recovered, boolean | null>>()
      holds<Same<typeof gap, boolean>>()
    },
    disconnected ({ willReconnect, reason }) {
      holds<Same<typeof willReconnect, boolean>>()
      holds<Same<typeof reason, string>>()
    },
    rejected ({ reason }) { holds<Same<typeof reason, string | null>>() },
    async received (data) { await data }
  }, { since: { chat_1: 'e.1' } })
  const same: Subscription<typeof ChatChannel> = byClass.subscribe('ChatChannel', { room: 1 })
  byInstance.subscribe('InboxChannel')
  byInstance.subscribe('InboxChannel', { received () {} })
  byInstance.subscribe('InboxChannel', {}, {}, { since: 'text' })
  byInstance.subscribe('ChatChannel', { room: 1, mood: 'good' }, {}, { since: null })

  // @ts-expect-error there is no such channel
  byInstance.subscribe('ChadChannel', {})
  // @ts-expect-error it needs a room
  byInstance.subscribe('ChatChannel')
  // @ts-expect-error it needs a room
  byInstance.subscribe('ChatChannel', {})
  // @ts-expect-error a room is a number
  byInstance.subscribe('ChatChannel', { room: '1' })
  // @ts-expect-error a room is a number, also by class
  byClass.subscribe('ChatChannel', { room: '1' })
  // @ts-expect-error there is no such callback
  byInstance.subscribe('InboxChannel', {}, { recieved () {} })

  const reply: { id: number } = await chat.perform('speak', { message: 'hi' })
  const count: number = await same.perform('count', undefined, { timeout: reply.id })
  await chat.perform('count', undefined, { timeout: count })
  await chat.perform('count')
  await chat.perform('count', undefined, { timeout: 50, signal: AbortSignal.timeout(50) })
  await chat.perform('typing')
  await chat.perform('typing', true)
  holds<Same<Awaited<ReturnType<typeof chat.send>>, string>>()
  await chat.send('hello')

  // @ts-expect-error there is no such action
  chat.perform('shout')
  // @ts-expect-error every channel has it, and no client may call it
  chat.perform('subscribed')
  // @ts-expect-error nor this
  chat.perform('reject')
  // @ts-expect-error a field is no action
  chat.perform('title')
  // @ts-expect-error what begins with an underscore is no action
  chat.perform('_hidden')
  // @ts-expect-error speak needs a message
  chat.perform('speak')
  // @ts-expect-error a message is a string
  chat.perform('speak', { message: 1 })
  // @ts-expect-error receive takes a certain word
  chat.send('bye')
  // @ts-expect-error a channel without receive cannot be sent to
  byInstance.subscribe('InboxChannel').send(1)
  holds<Same<typeof chat.state, 'waiting' | 'connected' | 'rejected' | 'unsubscribed'>>()
  holds<Same<typeof chat.params.room, number>>()

  // @ts-expect-error what a page reads it does not write
  chat.state = 'connected'

  const anything = untyped.subscribe('Whatever', { any: ['thing'] })
  holds<Same<Awaited<ReturnType<typeof anything.perform<'x'>>>, any>>()
  anything.perform('whatever', 1, { timeout: 1 })
  anything.send({ a: 1 })
  const wide: Cable = untyped
  wide.connect('/elsewhere')
  cable.disconnect()
  streamFrom('ChatChannel', { room: 1 }, { rejected () {} }, { since: null }).unsubscribe()

  const element: TurboStreamChannelElement | null = document.querySelector('turbo-stream-channel')
  element?.setAttribute('channel', 'ChatChannel')
  const made: TurboStreamChannelElement = document.createElement('turbo-stream-channel')
  made.remove()
}
