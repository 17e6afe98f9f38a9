// The port behind a cable: how a broadcast crosses processes. A backend deals in strings and never sees a subscriber.
import type { Position } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/** What a backend is handed when it opens: where it finds itself, and the functions that bring things back in. */
export interface BackendHost {
  readonly app: FastifyInstance
  readonly log: FastifyBaseLogger
  /** A broadcast arrived, this process's own included. */
  readonly deliver: (stream: string, at: Position | null, json: string) => void
  /** A control message arrived, this process's own included. */
  readonly control: (message: string) => void
  /** Broadcasts of this stream, or of all streams, may have been lost. */
  readonly gap: (stream: string | null) => void
}

/** How one broadcast is published. */
export interface PublishOptions {
  /** False: nobody can be told what they missed of it; it has no position. Default true. */
  readonly history?: boolean
}

/** What a backend has to say about itself; `ok` false makes a process not ready. */
export interface BackendHealth {
  readonly ok: boolean
  readonly [detail: string]: unknown
}

/** A method may answer at once or later. */
export type Eventually<T> = T | Promise<T>

/** What a cable needs of a backend. `checkCableBackend` of `fastify-channels/testing` checks the promises below. */
export interface CableBackend {
  /** Called once, before anything else. A rejection stops the boot. */
  open: (host: BackendHost) => Eventually<void>
  /** Hands a broadcast to every process that listens, this one included, in one order for all. Settles when it is taken. */
  publish: (stream: string, json: string, options: PublishOptions) => Eventually<Position | null>
  /** The first listener of this process. From the position it settles with, nothing is missed. */
  listen: (stream: string) => Eventually<Position | null>
  /** The last listener of this process left. */
  unlisten: (stream: string) => Eventually<void>
  /** Hands a control message to every process, this one included. */
  control: (message: string) => Eventually<void>
  health: () => BackendHealth
  /** Nothing is delivered afterwards. Twice is quiet. */
  close: () => Eventually<void>
}
