// The test vectors of the wire, as the protocol ships them. Reads nothing else.
import { createRequire } from 'node:module'

interface Vectors {
  readonly frames: ReadonlyArray<{ readonly name: string, readonly dialect: string, readonly frame: any, readonly text: string }>
  readonly ignored: ReadonlyArray<{ readonly name: string, readonly text: string }>
  readonly since: ReadonlyArray<{ readonly name: string, readonly text: string, readonly positions: { readonly [stream: string]: string } | null }>
  readonly closeCodes: ReadonlyArray<{ readonly code: number, readonly reconnect: boolean }>
}

export const vectors: Vectors = createRequire(import.meta.url)('@fastify-channels/protocol/vectors.json')
