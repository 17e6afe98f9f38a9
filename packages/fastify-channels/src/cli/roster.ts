// The text of channels/index.ts, the map of an app's channels: adds one to it. Leaves every other word as it is.
import type { ChannelName } from './channel-name.ts'
import { Complaint } from './complaint.ts'

const map = /^export const channels\b[^={]*= \{([^{}]*)\}/m
const anImport = /^import\s(?:[^'"]*\sfrom\s*)?['"][^'"\n]+['"][^\n]*\n/gm
// What is about the file, not about what comes next: an empty line follows.
const opening = /^(?:(?:\/\/[^\n]*\n)+|\/\*[^]*?\*\/\n)(?=\n)/

/** The text with one channel more; null when it names it already. */
export function addToRoster (text: string, { className, fileName }: ChannelName, ending: string): string | null {
  const found = map.exec(text)
  const line = `import { ${className} } from './${fileName}.${ending}'\n`
  if (found === null) throw new Complaint(`channels/index.ts has no "export const channels = { … }" that could be read. Give it one, or add by hand:\n  ${line}`)
  const [whole, inside] = found
  if (new RegExp(`\\b${className}\\b`).test(inside!)) return null
  const begin = found.index + whole.length - inside!.length - 1
  return addImport(text.slice(0, begin) + addEntry(inside!, className) + text.slice(begin + inside!.length), line)
}

function addEntry (inside: string, className: string): string {
  const entries = inside.trimEnd()
  if (entries === '') return `\n  ${className}\n`
  // A comma behind a comment would be a part of it: there the new one goes first.
  if (/\/\/[^\n]*$|\*\/$/.test(entries)) return `\n  ${className},${inside}`
  const comma = entries.endsWith(',') ? '' : ','
  return entries.includes('\n') ? `${entries}${comma}\n  ${className}\n` : `${entries}${comma} ${className} `
}

function addImport (text: string, line: string): string {
  const last = [...text.matchAll(anImport)].at(-1) ?? opening.exec(text)
  const end = last === null ? 0 : last.index + last[0].length
  const rest = text.slice(end)
  return text.slice(0, end) + line + (/^\s*(import\s|\n)/.test(rest) ? '' : '\n') + rest
}
