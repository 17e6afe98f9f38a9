// `since`: the positions a page was rendered at, as one text for an attribute of that page. Never looks a stream up.
import type { Positions } from './frames.ts'
import { isObject } from './json.ts'
import { isPosition } from './position.ts'
import type { Position } from './position.ts'

/** Writes positions as a text that needs no escaping in any attribute (PROTOCOL §4.6). A stream without a position is left out. */
export function writeSince (positions: Positions): string {
  const known = Object.entries(positions).filter(([, at]) => at !== null)
  return encodeURIComponent(JSON.stringify(Object.fromEntries(known))).replaceAll("'", '%27')
}

/** Reads what `writeSince` wrote; null for anything else. */
export function readSince (text: unknown): { [stream: string]: Position } | null {
  try {
    const positions: unknown = JSON.parse(decodeURIComponent(text as string))
    return isObject(positions) && Object.values(positions).every(isPosition) ? positions as { [stream: string]: Position } : null
  } catch {
    return null
  }
}
