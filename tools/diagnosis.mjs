// One failure of a test as text: where it is, and all that tap knows about it.
import { inspect } from 'node:util'

// How a test file was started says nothing about why it failed, and fills a screen.
const noise = new Set(['stdio', 'cwd', 'externalID', 'command', 'args', 'jobId'])

/** The names that lead to a failure, and below them its diagnostic. */
export function describe (path, diagnostic) {
  const lines = [`  ✗ ${path.join(' › ')}`]
  for (const [key, value] of Object.entries(diagnostic ?? {})) {
    if (!noise.has(key) && value !== null) lines.push(...entry(key, value))
  }
  return lines.join('\n') + '\n'
}

function entry (key, value) {
  const text = key === 'at' ? place(value) : typeof value === 'string' ? value.trimEnd() : inspect(value, { depth: null, breakLength: 100 })
  if (!text.includes('\n')) return [`      ${key}: ${text}`]
  return [`      ${key}:`, ...text.split('\n').map(line => `        ${line}`)]
}

function place (at) {
  return at.fileName === undefined ? inspect(at) : `${at.fileName}:${at.lineNumber}:${at.columnNumber}`
}
