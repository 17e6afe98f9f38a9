// What an update inserts: HTML, a component called with its arguments, or a view of the app's. One of them in, HTML out.
import { describe, InvalidTurboStream, isPromise } from './errors.ts'
import { Html } from './html.ts'

/** HTML. A string is inserted as it is (guide §10); what `html` made is as safe as that. */
export type Content = string | Html

/** Renders the app's views: what @fastify/view puts on the app. */
export interface Views {
  readonly view: (page: string, data: object) => Content | Promise<Content>
}

// However it is spelled, this ends the template early, and what follows would be of the page.
const early = /<\/template/i
const wholePage = /^\s*<(?:!doctype|html)\b/i

/** Content as HTML; a promise where the component or the view gives one. */
export function renderContent (action: string, [what, ...rest]: readonly unknown[], views: Views | null): string | Promise<string> {
  if (typeof what === 'function') return settle(action, what.name === '' ? 'the component' : `${what.name}()`, what(...rest))
  if (rest.length === 0) return readHtml(action, 'its content', what)
  if (typeof what !== 'string') throw new InvalidTurboStream(`turboStream.${action} takes arguments for a component or a view, not for ${describe(what)}`)
  return renderView(action, what, rest, views)
}

async function renderView (action: string, page: string, [data]: readonly unknown[], views: Views | null): Promise<string> {
  if (typeof views?.view !== 'function') {
    throw new InvalidTurboStream(`turboStream.${action} cannot render the view "${page}": ${views === null ? 'use createTurboStream(app)' : 'the app has no view(), register @fastify/view first'}`)
  }
  const rendered = await settle(action, `the view "${page}"`, views.view(page, data as object))
  if (wholePage.test(rendered)) throw new InvalidTurboStream(`turboStream.${action}: the view "${page}" is a whole page; an update needs a view without the layout`)
  return rendered
}

function settle (action: string, source: string, result: unknown): string | Promise<string> {
  return isPromise(result)
    ? Promise.resolve(result).then(content => readHtml(action, `what ${source} gave`, content))
    : readHtml(action, `what ${source} gave`, result)
}

function readHtml (action: string, what: string, content: unknown): string {
  if (typeof content !== 'string' && !(content instanceof Html)) {
    throw new InvalidTurboStream(`turboStream.${action}: ${what} is ${describe(content)}, not HTML${isPromise(content) ? ': await it first' : ''}`)
  }
  const html = String(content)
  if (early.test(html)) throw new InvalidTurboStream(`turboStream.${action}: ${what} contains "</template", which would end the update early`)
  return html
}
