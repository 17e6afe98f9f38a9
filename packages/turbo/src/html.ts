// html`…`, a template that escapes: every value becomes text, unless it is HTML itself. Never renders what is not there yet.
import { describe, InvalidTurboStream, isPromise } from './errors.ts'
import { escape } from './escape.ts'
import { checkPlaces } from './place.ts'

/** HTML that is safe to insert: made by `html`, or vouched for with `raw`. */
export class Html {
  readonly #html: string

  constructor (html: string) {
    this.#html = html
  }

  toString (): string {
    return this.#html
  }

  toJSON (): string {
    return this.#html
  }
}

/**
 * Builds HTML. Values are escaped, `Html` is not, lists are joined; null, undefined and false are nothing.
 * A value stands in text or in a quoted attribute. What an address in `href` leads to is the app's to check.
 *
 * @example html`<li id="message-${message.id}">${message.text}</li>`
 * @throws FST_CHANNELS_INVALID_TURBO_STREAM for a promise, a function, an object without words of its own, and a place where escaping does not help
 */
export function html (parts: TemplateStringsArray, ...values: readonly unknown[]): Html {
  checkPlaces(parts)
  return new Html(String.raw({ raw: parts }, ...values.map(write)))
}

/** Vouches for HTML that comes from elsewhere: it is inserted as it is. Never for what a visitor wrote. */
export function raw (html: string): Html {
  if (typeof html !== 'string') throw new InvalidTurboStream(`raw() takes a string of HTML, not ${describe(html)}`)
  return new Html(html)
}

function write (value: unknown): string {
  if (value === null || value === undefined || value === false) return ''
  if (value instanceof Html) return String(value)
  if (Array.isArray(value)) return value.map(write).join('')
  if (typeof value === 'object' ? isWordless(value) : typeof value === 'function' || typeof value === 'symbol') {
    throw new InvalidTurboStream(`${describe(value)} cannot be a value in html\`…\`${isPromise(value) ? ': await it first' : ''}`)
  }
  return escape(String(value))
}

/** True for what would read "[object Object]". */
function isWordless (value: object): boolean {
  return isPromise(value) || value.toString === Object.prototype.toString || typeof value.toString !== 'function'
}
