// A place in a stream, `epoch.offset`: takes it apart and measures between two. Never decides what is missing.

/** A place in a stream: the epoch of its numbering and the number of its last broadcast. Opaque to clients, which only hand it back. */
export type Position = string

const shape = /^[A-Za-z0-9_-]{1,64}\.\d{1,15}$/

/** True for a well-formed position (PROTOCOL §4.2). */
export function isPosition (value: unknown): value is Position {
  return typeof value === 'string' && shape.test(value)
}

/** The two parts of a position; null for what is none. */
export function parsePosition (value: unknown): { epoch: string, offset: number } | null {
  if (!isPosition(value)) return null
  const dot = value.indexOf('.')
  return { epoch: value.slice(0, dot), offset: Number(value.slice(dot + 1)) }
}

/** Broadcasts from one position to another, negative when it lies behind; NaN when they are not of the same epoch. */
export function distance (from: Position, to: Position): number {
  const offset = to.indexOf('.') + 1
  return offset > 0 && from.startsWith(to.slice(0, offset)) ? Number(to.slice(offset)) - Number(from.slice(offset)) : NaN
}
