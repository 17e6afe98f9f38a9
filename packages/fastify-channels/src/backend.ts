// The port behind a cable: how a broadcast crosses processes and how long it is kept. A backend deals in strings and never sees a subscriber.
import type { Position } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/** One broadcast as a backend carries and keeps it. Never changed after it was made. */
export interface Broadcast {
  /** Where it stands in its stream; null for one that is not kept. */
  readonly at: Position | null
  /** The payload as JSON text. */
  readonly json: string
  /** The tab that is left out, or null. */
  readonly except: string | null
}

/** How many broadcasts of a stream are kept, and for how many milliseconds. */
export interface Retention {
  readonly size: number
  readonly ttl: number
}

/** How one broadcast is published. */
export interface Publication {
  /** How long it is kept; null: it is not kept, and has no position. */
  readonly history: Retention | null
  /** The tab that is left out, or null. */
  readonly except: string | null
}

/** What a backend is handed when it opens: where it finds itself, and the functions that bring things back in. */
export interface BackendHost {
  readonly app: FastifyInstance
  readonly log: FastifyBaseLogger
  /** A broadcast arrived, this process's own included. Per stream without a hole: a backend that sees one fills it first, or says `gap`. */
  readonly deliver: (stream: string, broadcast: Broadcast) => void
  /** A control message arrived, this process's own included. */
  readonly control: (message: string) => void
  /** Broadcasts of this stream were lost for good, or its epoch changed; it goes on after `at` (null: unknown). */
  readonly gap: (stream: string, at: Position | null) => void
}

/** What a backend has to say about itself; `ok` false makes a process not ready. */
export interface BackendHealth {
  readonly ok: boolean
  readonly [detail: string]: unknown
}

/** A method may answer at once or later. */
export type Eventually<T> = T | Promise<T>

/** What a cable needs of a backend. The suite `checkBackend` of `fastify-channels/testing` checks the promises below. */
export interface CableBackend {
  /** Called once, before anything else. A rejection stops the boot. */
  open: (host: BackendHost) => Eventually<void>
  /**
   * Keeps a broadcast and hands it to every process that listens, this one included, in one order for all: one atomic step.
   * Settles when it is taken.
   * @throws FST_CHANNELS_CABLE_UNAVAILABLE when nobody can be reached
   */
  publish: (stream: string, json: string, publication: Publication) => Eventually<Position | null>
  /**
   * The first listener of this process. Settles with a position after which nothing passes unheard,
   * or with null where the position is not known now: then `gap` tells it as soon as it is.
   */
  listen: (stream: string) => Eventually<Position | null>
  /** The last listener of this process left. */
  unlisten: (stream: string) => Eventually<void>
  /** Where streams stand, in the order asked; null where that is not known. Never rejects. */
  position: (streams: readonly string[]) => Eventually<ReadonlyArray<Position | null>>
  /** The broadcasts after `since` up to and with `upTo`, complete and in order; null where any of them is not there any more. Never rejects. */
  replay: (stream: string, since: Position, upTo: Position) => Eventually<readonly Broadcast[] | null>
  /** Hands a control message to every process, this one included. */
  control: (message: string) => Eventually<void>
  health: () => BackendHealth
  /** Nothing is delivered afterwards. Twice is quiet. */
  close: () => Eventually<void>
}
