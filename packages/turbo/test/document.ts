// A document as a parser sees it: elements, attributes and text, read from HTML by parse5.
import { parseFragment } from 'parse5'
import type { DefaultTreeAdapterMap } from 'parse5'

type Node = DefaultTreeAdapterMap['node']

export interface Element {
  readonly name: string
  readonly attributes: { readonly [name: string]: string }
  readonly text: string
  readonly children: readonly Element[]
}

/** The elements at the top of a piece of HTML; text between them counts as an element without a name. */
export function read (html: string): Element[] {
  return parseFragment(html).childNodes.map(shape)
}

function shape (node: Node): Element {
  if (node.nodeName === '#text') return { name: '', attributes: {}, text: (node as DefaultTreeAdapterMap['textNode']).value, children: [] }
  const element = node as DefaultTreeAdapterMap['template']
  const children = (element.content ?? element).childNodes.map(shape)
  return {
    name: element.nodeName,
    attributes: Object.fromEntries(element.attrs.map(({ name, value }) => [name, value])),
    text: children.map(({ text }) => text).join(''),
    children: children.filter(({ name }) => name !== '')
  }
}
