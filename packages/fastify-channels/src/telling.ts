// How one broadcast is told to one subscription alone: again, or late; and as a mere stamp where its own page made it. Writes nothing.
import type { Dialect, Tag } from '@fastify-channels/protocol'
import type { Broadcast } from './backend.ts'

/** A broadcast told again, ahead of a confirmation or (without a ref) to all of a connection. Null where the dialect has no word for that. */
export function replayText (dialect: Dialect, ref: Tag | null, stream: string, { at, json, except }: Broadcast, tab: string | null): string | null {
  if (!isLeftOut(except, tab)) return dialect.replay(ref, stream, at, json)
  return at === null ? null : dialect.replay(ref, stream, at, null)
}

/** A broadcast that waited for a confirmation. Null where nothing is to be said. */
export function lateText (dialect: Dialect, lane: string, stream: string, { at, json, except }: Broadcast, tab: string | null): string | null {
  if (!isLeftOut(except, tab)) return dialect.broadcast(lane, stream, at, json)
  return at === null ? null : dialect.stamp(stream, at)
}

function isLeftOut (except: string | null, tab: string | null): boolean {
  return except !== null && except === tab
}
