// Which pages may open a socket: cookies travel with every handshake, so another site's page must be turned away. Answers yes or no.
import type { FastifyRequest } from 'fastify'
import type { Eventually } from './backend.ts'
import { InvalidOption } from './errors.ts'

/** An origin: a string (`https://app.example`, or a host alone), or a pattern that matches it as a whole. `'*'` is any. */
export type OriginRule = string | RegExp

export type OriginOption = OriginRule | readonly OriginRule[] | ((origin: string, request: FastifyRequest) => Eventually<boolean>) | {
  readonly allow?: OriginRule | readonly OriginRule[]
  /** True refuses clients without an Origin, which are no browsers. */
  readonly required?: boolean
}

export type OriginCheck = (request: FastifyRequest) => Eventually<boolean>

// One scheme, one host, perhaps a port: no list, no user, no path.
const wellFormed = /^https?:\/\/[^\s,/?#@\\]+$/i
const REMEMBERED = 1000

/** Makes the check. Without an option the page's host and port must be those of the request. */
export function originCheck (option: OriginOption | undefined): OriginCheck {
  if (typeof option === 'function') {
    return request => request.headers.origin === undefined || option(request.headers.origin, request)
  }
  const { allow, required = false } = isRules(option) ? { allow: option } : option ?? {}
  const rules = allow === undefined ? null : [allow].flat().map(compileRule)
  return request => {
    const { origin } = request.headers
    if (origin === undefined) return !required
    return rules === null ? isSameHost(origin, request.host) : rules.some(rule => rule(origin))
  }
}

/** Remembers whom it complained about, so that a log line comes once a minute per origin. */
export class Complaints {
  readonly #until = new Map<string, number>()

  /** True when this origin was not complained about in the last minute. */
  isNew (origin: string, now = Date.now()): boolean {
    if ((this.#until.get(origin) ?? 0) > now) return false
    // Origins are the stranger's: no more of them are kept, or complained about, than this.
    if (this.#until.size >= REMEMBERED) this.#forget(now)
    if (this.#until.size >= REMEMBERED) return false
    this.#until.set(origin, now + 60_000)
    return true
  }

  #forget (now: number): void {
    for (const [origin, until] of this.#until) if (until <= now) this.#until.delete(origin)
  }
}

function isRules (option: OriginOption | undefined): option is OriginRule | readonly OriginRule[] {
  return typeof option === 'string' || option instanceof RegExp || Array.isArray(option)
}

function compileRule (rule: OriginRule): (origin: string) => boolean {
  if (rule === '*') return () => true
  if (rule instanceof RegExp) {
    // A pattern that matches a part would let https://app.example.evil in.
    const whole = new RegExp(`^(?:${rule.source})$`, rule.flags.replace(/[gy]/g, ''))
    return origin => whole.test(origin)
  }
  if (typeof rule !== 'string' || rule === '') throw new InvalidOption("origin is a string like 'https://app.example', a RegExp, an array of these, a function, or { allow, required }")
  if (!rule.includes('://')) return origin => isSameHost(origin, rule)
  const wanted = parse(rule)
  if (wanted === null) throw new InvalidOption(`origin "${rule}" is no origin; one looks like https://app.example or http://localhost:3000`)
  return origin => parseSent(origin)?.origin === wanted.origin
}

/** TLS often ends at a proxy, so the scheme says nothing here; the default port of the page's scheme does. */
function isSameHost (origin: string, host: string | undefined): boolean {
  const page = parseSent(origin)
  if (page === null || host === undefined || host === '') return false
  return parse(`${page.protocol}//${host}`)?.host === page.host
}

function parse (origin: string): URL | null {
  return wellFormed.test(origin) && URL.canParse(origin) ? new URL(origin) : null
}

/** A browser sends an origin in its one plain form: what only means ours after decoding (`https://app%2eexample`, `http://2130706433`) is somebody's trick. */
function parseSent (origin: string): URL | null {
  const url = parse(origin)
  const sent = origin.toLowerCase()
  return url !== null && (sent === url.origin || sent === `${url.origin}:${url.protocol === 'https:' ? 443 : 80}`) ? url : null
}
