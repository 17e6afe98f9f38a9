// Where an update goes, and how: one element by its id, or all that match a selector. Never looks whether they exist.
import type { Attributes } from './element.ts'
import { describe, InvalidTurboStream } from './errors.ts'

/** An element's id, as the page wrote it. */
export type Id = string | number

/** What an update is about: an id; or, with more to say, an object. */
export type Target = Id | OneTarget | ManyTargets

export interface OneTarget extends Manner {
  /** The id of the element. */
  readonly target: Id
}

export interface ManyTargets extends Manner {
  /** A CSS selector: every element that matches is a target. What comes from outside goes through `CSS.escape`'s rules first. */
  readonly targets: string
}

interface Manner {
  /** `'morph'` keeps the nodes that did not change, and their focus; for `replace` and `update`. A field with an id and `data-turbo-permanent` keeps what was typed, too. */
  readonly method?: 'morph' | undefined
}

const morphing: ReadonlySet<string> = new Set(['replace', 'update', 'morph'])

/** The attributes that say so to Turbo. */
export function targetAttributes (action: string, target: Target): Attributes {
  const given: { target?: unknown, targets?: unknown, method?: unknown } = isObject(target) ? target : { target }
  const { method = action === 'morph' ? action : undefined } = given
  if (method !== undefined && (method !== 'morph' || !morphing.has(action))) {
    throw new InvalidTurboStream(`turboStream.${action} knows no such method; 'morph' is one of replace and update`)
  }
  if (given.target !== undefined && given.targets !== undefined) throw new InvalidTurboStream(`turboStream.${action} has a target and targets: one of them is enough`)
  const address = given.targets === undefined
    ? ['target', readId(action, given.target)] as const
    : ['targets', readSelector(action, given.targets)] as const
  return [address, ['method', method as string | undefined]]
}

function readId (action: string, id: unknown): string {
  const text = typeof id === 'number' && Number.isFinite(id) ? String(id) : id
  if (typeof text !== 'string' || text === '') throw new InvalidTurboStream(`turboStream.${action} needs the id of an element as its target, not ${describe(id)}`)
  return text
}

function readSelector (action: string, selector: unknown): string {
  if (typeof selector !== 'string' || selector.trim() === '') throw new InvalidTurboStream(`turboStream.${action} needs a CSS selector as its targets, not ${describe(selector)}`)
  return selector
}

function isObject (target: unknown): target is object {
  return typeof target === 'object' && target !== null
}
