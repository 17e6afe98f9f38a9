// What the types of turboStream promise: checked by the compiler, run by nobody.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type {} from '@fastify/view'
import { createTurboStream, html, turboStream, turboStreamChannel, wantsTurboStream } from '../src/index.ts'
import type { Html } from '../src/index.ts'

declare const app: FastifyInstance
declare const request: FastifyRequest
interface Message { readonly text: string }
const Sync = ({ text }: Message): Html => html`${text}`
const Async = async ({ text }: Message): Promise<string> => text

export const strings: string[] = [
  turboStream.append('messages', '<li>'),
  turboStream.append(7, html`<li>`),
  turboStream.replace({ targets: '.message', method: 'morph' }, Sync, { text: 'x' }),
  turboStream.update({ target: 7 }, () => ''),
  turboStream.remove('x'),
  turboStream.refresh({ requestId: 'x', scroll: 'preserve' }),
  turboStream.all(turboStream.remove('x'), turboStream.refresh()),
  `${turboStreamChannel('ChatChannel', { room_id: 1 }, { since: null })}`
]

export const promises: Array<Promise<string>> = [
  turboStream.append('messages', Async, { text: 'x' }),
  createTurboStream(app).append('messages', 'message.eta', { message: { text: 'x' } }),
  createTurboStream({ view: async (page, data) => html`${page}${JSON.stringify(data)}` }).morph('x', 'a', {})
]
export const either: string | Promise<string> = turboStream.all(turboStream.remove('x'), turboStream.update('x', Async, { text: '' }))
export const answer: boolean = wantsTurboStream(request)

// @ts-expect-error: a promise is no string
export const wrong: string = turboStream.append('messages', Async, { text: 'x' })
// @ts-expect-error: without an app there are no views
turboStream.append('messages', 'message.eta', {})
// @ts-expect-error: the props are those of the component
turboStream.append('messages', Sync, { words: 'x' })
// @ts-expect-error: a component without its props
turboStream.append('messages', Sync)
// @ts-expect-error: a record is no id
turboStream.remove({ id: 7 })
// @ts-expect-error: nothing to insert
turboStream.update('messages')
// @ts-expect-error: content that is not there yet
turboStream.update('messages', Promise.resolve('x'))
