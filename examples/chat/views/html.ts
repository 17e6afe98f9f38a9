// html`…`, a template that escapes: every value becomes text, unless it is a template itself.

/** Markup that is safe to send. */
export class Html {
  readonly #markup: string

  constructor (markup: string) {
    this.#markup = markup
  }

  toString (): string {
    return this.#markup
  }
}

/** Builds markup. Lists are joined; null, undefined and false are nothing. */
export function html (parts: TemplateStringsArray, ...values: unknown[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(render)))
}

function render (value: unknown): string {
  if (value === null || value === undefined || value === false) return ''
  if (value instanceof Html) return String(value)
  if (Array.isArray(value)) return value.map(render).join('')
  return String(value).replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
