// What the checks of a backend have in common: two processes, a stream of one's own, and a fence that proves silence.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { parsePosition } from '@fastify-channels/protocol'
import type { Position } from '@fastify-channels/protocol'
import type { Retention } from '../backend.ts'
import type { Process } from './backend-process.ts'

/** Rejects where a promise is not kept. `a` and `b` are one where the backend is for a single process. */
export type Check = (a: Process, b: Process) => Promise<void>

/** Kept for longer than any check takes. */
export const kept: Retention = { size: 128, ttl: 60_000 }

/** A stream no other check uses. */
export function newName (): string {
  return `check ${randomUUID()}`
}

/** Both listen; where the stream stands. */
export async function listenBoth (a: Process, b: Process, stream: string): Promise<Position> {
  const since = await a.listen(stream)
  if (b !== a) assert.equal(await b.listen(stream), since)
  return since!
}

/** Returns when all that was said before has had its time: something said later was heard by everybody. */
export async function fence (a: Process, b: Process): Promise<void> {
  const stream = newName()
  await listenBoth(a, b, stream)
  for (const author of new Set([a, b])) await author.publish(stream, '"fence"', null)
  for (const process of new Set([a, b])) await process.hears(stream, new Set([a, b]).size)
}

/** Throws unless these are the positions right after `since`, one by one. */
export function assertRun (positions: ReadonlyArray<Position | null>, since: Position): void {
  const { epoch, offset } = parsePosition(since)!
  assert.deepEqual(positions, positions.map((_, index) => `${epoch}.${offset + index + 1}`))
}
