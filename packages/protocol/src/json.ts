// JSON as it crosses the wire: its types, and the check that a stranger's value is safe to hold. Never parses, never throws.

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** What a client passes when it subscribes: a JSON object. Key order never matters. */
export type Params = { [key: string]: Json }

/** How large a value may be before it is refused. `depth` counts nested containers, `nodes` the values inside them. */
export interface Bounds {
  readonly depth: number
  readonly nodes: number
  /** Part of an identity: strings must be well-formed, numbers finite and, where whole, safe. */
  readonly exact: boolean
}

/** True for a plain JSON object: not null, not an array. */
export function isObject (value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Older engines lack String.prototype.isWellFormed (ES2024).
const loneSurrogate = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/

/** True when the string has no lone surrogate, so that it survives UTF-8. */
export function isWellFormed (text: string): boolean {
  return !loneSurrogate.test(text)
}

/**
 * True when `value`, fresh from `JSON.parse`, is within its bounds and cannot poison a prototype.
 * Walks with a list of its own: a frame of 5,000 brackets must not reach the call stack (PROTOCOL §2.2).
 */
export function isSound (value: unknown, { depth, nodes, exact }: Bounds): boolean {
  let left = nodes
  let level: unknown[] = [value]
  for (let below = depth; level.length > 0; below--) {
    const next: unknown[] = []
    for (const item of level) {
      if (typeof item !== 'object' || item === null) {
        if (exact && !isExact(item)) return false
        continue
      }
      if (below === 0) return false
      const inside = Array.isArray(item) ? item : Object.values(item)
      if ((left -= inside.length) < 0) return false
      if (!Array.isArray(item) && !areSafeKeys(item, exact)) return false
      for (const child of inside) next.push(child)
    }
    level = next
  }
  return true
}

/** True when none of its keys could poison a prototype, by the rules of Fastify's own body parser. */
export function areSafeKeys (object: object, exact: boolean): boolean {
  if (Object.hasOwn(object, '__proto__')) return false
  if (exact && !Object.keys(object).every(isWellFormed)) return false
  return !Object.hasOwn(object, 'constructor') || !isPoisoned((object as { constructor: unknown }).constructor)
}

function isPoisoned (value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype')
}

function isExact (value: unknown): boolean {
  if (typeof value === 'string') return isWellFormed(value)
  return typeof value !== 'number' || (Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))
}
