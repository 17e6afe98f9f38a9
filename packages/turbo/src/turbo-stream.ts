// turboStream: updates of a page as text, one method for each thing Turbo can do (guide §10). Sends nothing, keeps nothing.
import { renderContent } from './content.ts'
import type { Content, Views } from './content.ts'
import { element } from './element.ts'
import type { Attributes } from './element.ts'
import { describe, InvalidTurboStream, isPromise } from './errors.ts'
import { targetAttributes } from './target.ts'
import type { Target } from './target.ts'

/** A string where everything is there already, else a promise of one. */
export type Rendered<Result> = Result extends PromiseLike<unknown> ? Promise<string> : string

/** An update with content: HTML, or a component and its arguments. */
export interface Update {
  (target: Target, html: Content): string
  <Args extends readonly unknown[], Result extends Content | Promise<Content>> (target: Target, component: (...args: Args) => Result, ...args: Args): Rendered<Result>
}

/** An update that can also render a view of the app's with its data. */
export interface ViewUpdate extends Update {
  (target: Target, view: string, data: object): Promise<string>
}

export interface Refresh {
  /** The `x-turbo-request-id` of the request that caused it: the page that sent it does not refresh again. */
  readonly requestId?: string | undefined
  /** How the page changes: as it says itself, unless said here. */
  readonly method?: 'morph' | 'replace' | undefined
  readonly scroll?: 'preserve' | 'reset' | undefined
}

export interface TurboStream<U extends Update = Update> {
  /** Adds the content as the last child of the target. */
  readonly append: U
  /** Adds the content as the first child of the target. */
  readonly prepend: U
  /** Inserts the content before the target. */
  readonly before: U
  /** Inserts the content after the target. */
  readonly after: U
  /** Puts the content in the place of the target. */
  readonly replace: U
  /** Puts the content into the target, in the place of what was there. */
  readonly update: U
  /** Changes the target into the content, and keeps the nodes that are the same: `replace` with `method: 'morph'` (see there). */
  readonly morph: U
  /** Removes the target. */
  readonly remove: (target: Target) => string
  /** Loads the page again. */
  readonly refresh: (options?: Refresh) => string
  /** Several streams as one: they are applied in this order, together. */
  readonly all: <Streams extends ReadonlyArray<string | Promise<string>>> (...streams: Streams) => Rendered<Streams[number]>
}

// The only actions that are ever written: a page looks the name up in a plain object.
type Action = 'append' | 'prepend' | 'before' | 'after' | 'replace' | 'update' | 'remove' | 'refresh'

/**
 * Updates from HTML and from components.
 *
 * @example
 * turboStream.append('messages', MessageView, { message })
 * turboStream.update({ targets: '.unread', method: 'morph' }, html`${count}`)
 */
export const turboStream: TurboStream = build(null)

/**
 * Updates from the app's own views too: the partial of the page is the partial of the update.
 * The app needs its renderer only when a view is rendered; any object with a `view` is an app.
 *
 * @example
 * const turboStream = createTurboStream(app)
 * await turboStream.append('messages', 'message.eta', { message })
 */
export function createTurboStream (app: Views): TurboStream<ViewUpdate> {
  return build(app) as TurboStream<ViewUpdate>
}

function build (views: Views | null): TurboStream {
  const update = (name: Action | 'morph') => ((target: Target, ...content: unknown[]) => {
    const attributes = targetAttributes(name, target)
    const html = renderContent(name, content, views)
    // No Turbo that was ever released knows an action called morph.
    const wrap = (inside: string) => stream(name === 'morph' ? 'replace' : name, attributes, `<template>${inside}</template>`)
    return typeof html === 'string' ? wrap(html) : unready(`turboStream.${name}`, html.then(wrap))
  }) as Update
  return {
    append: update('append'),
    prepend: update('prepend'),
    before: update('before'),
    after: update('after'),
    replace: update('replace'),
    update: update('update'),
    morph: update('morph'),
    remove: target => stream('remove', targetAttributes('remove', target), ''),
    refresh: ({ requestId, method, scroll } = {}) => {
      if (requestId != null && typeof requestId !== 'string') throw new InvalidTurboStream(`turboStream.refresh: requestId is ${describe(requestId)}, not a string`)
      return stream('refresh', [['request-id', requestId], ['method', method], ['scroll', scroll]], '')
    },
    all: ((...streams: Array<string | Promise<string>>) => streams.some(isPromise)
      ? unready('turboStream.all', Promise.all(streams).then(join))
      : join(streams as string[])) as TurboStream['all']
  }
}

function stream (action: Action, attributes: Attributes, inside: string): string {
  return element('turbo-stream', [['action', action], ...attributes], inside)
}

function join (streams: readonly string[]): string {
  const other = streams.find(stream => typeof stream !== 'string')
  if (other !== undefined) throw new InvalidTurboStream(`turboStream.all joins streams, not ${describe(other)}`)
  return streams.join('')
}

/** A promise that says so, in place of being sent as "{}" or "[object Promise]". */
function unready (what: string, promise: Promise<string>): Promise<string> {
  const refuse = () => {
    // Nobody will wait for it any more.
    promise.catch(() => {})
    throw new InvalidTurboStream(`${what} gave a promise, and a string is needed: await it first`)
  }
  return Object.defineProperties(promise, { toJSON: { value: refuse }, toString: { value: refuse }, [Symbol.toPrimitive]: { value: refuse } })
}
