// An element as text: its name, and attributes that cannot break out of their quotes. Knows no meanings.
import { escape } from './escape.ts'

/** Attributes in the order they are written; those without a value are left out. */
export type Attributes = ReadonlyArray<readonly [name: string, value: string | null | undefined]>

/** Writes an element around `inside`, which is inserted as it is. */
export function element (name: string, attributes: Attributes, inside: string): string {
  const written = attributes.map(([attribute, value]) => value == null ? '' : ` ${attribute}="${escape(value)}"`)
  return `<${name}${written.join('')}>${inside}</${name}>`
}
