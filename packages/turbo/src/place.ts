// The places in a template where a value may stand: text and quoted attributes. Looks at each template once, never at a value.
import { InvalidTurboStream } from './errors.ts'

// Each ends where the value begins; a tag's quoted attributes are skipped whole.
const places: ReadonlyArray<readonly [RegExp, string]> = [
  [/<[a-z](?:[^<>"']|"[^"]*"|'[^']*')*=\s*$/i, 'an attribute without quotes'],
  [/<[a-z](?:[^<>"']|"[^"]*"|'[^']*')*\son\w+\s*=\s*(?:"[^"]*|'[^']*)$/i, 'an event handler: put it into a data- attribute'],
  [/<(script|style)\b(?:[^<>"']|"[^"]*"|'[^']*')*>(?:(?!<\/\1)[^])*$/i, 'a script or a style: put it into a data- attribute']
]

const checked = new WeakSet<TemplateStringsArray>()

/** @throws FST_CHANNELS_INVALID_TURBO_STREAM where escaping would not keep a value what it is */
export function checkPlaces (parts: TemplateStringsArray): void {
  if (checked.has(parts)) return
  for (let index = 1; index < parts.length; index++) {
    const before = parts.slice(0, index).join('x')
    const place = places.find(([pattern]) => pattern.test(before))
    if (place !== undefined) throw new InvalidTurboStream(`value ${index} of html\`${before.trim().slice(0, 20)}…\` stands in ${place[1]}`)
  }
  checked.add(parts)
}
