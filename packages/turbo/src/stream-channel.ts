// <turbo-stream-channel>, the element that listens for a page (guide §10): written here, brought to life by cable.js. Grants nothing: the channel authorises.
import { element } from './element.ts'
import { describe, InvalidTurboStream, isPromise } from './errors.ts'
import { Html } from './html.ts'

export interface StreamChannelOptions {
  /** Where the page stands, from `app.cable.snapshot`: what was broadcast since is caught up. */
  readonly since?: string | null | undefined
  /** `'refresh'`: when broadcasts are lost for good, Turbo refreshes the page. Without it the page is told by the event `turbo-stream-channel:gap`. */
  readonly gap?: 'refresh' | undefined
}

/**
 * Subscribes the page to a channel whose broadcasts are turbo-streams.
 *
 * @example
 * const { data: messages, since } = await app.cable.snapshot(`chat_${room.id}`, () => messagesOf(room))
 * html`${turboStreamChannel('ChatChannel', { room_id: room.id }, { since })}<ol id="messages">…</ol>`
 */
export function turboStreamChannel (channel: string, params: object = {}, { since, gap }: StreamChannelOptions = {}): Html {
  if (typeof channel !== 'string' || channel === '') throw new InvalidTurboStream(`turboStreamChannel needs the name of a channel, not ${describe(channel)}`)
  const json = JSON.stringify(params) as string | undefined
  if (isPromise(params) || !json?.startsWith('{')) throw new InvalidTurboStream(`turboStreamChannel: params is ${describe(params)}, not an object`)
  if (since != null && typeof since !== 'string') throw new InvalidTurboStream(`turboStreamChannel: since is ${describe(since)}, not what app.cable.snapshot gave`)
  if (gap !== undefined && gap !== 'refresh') throw new InvalidTurboStream(`turboStreamChannel: gap is ${describe(gap)}, not 'refresh'`)
  return new Html(element('turbo-stream-channel', [['channel', channel], ['params', json], ['since', since], ['gap', gap]], ''))
}
