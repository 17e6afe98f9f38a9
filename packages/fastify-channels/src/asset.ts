// The browser client as one file, read once, for the route that serves it. Never builds it.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { InvalidOption } from './errors.ts'

/** A file as it is served. */
export interface Asset {
  readonly body: Buffer
  readonly etag: string
}

/**
 * The built client, so that a server always hands out the one that speaks its words.
 * @param locate finds the file; throws or names one that is not there when nothing was built
 */
export function readClient (locate = () => createRequire(import.meta.url).resolve('@fastify-channels/client/cable.js')): Asset {
  let body: Buffer
  try {
    body = readFileSync(locate())
  } catch (error) {
    throw new InvalidOption(`the browser client is not built (${(error as Error).message}); run \`npm run build\`, or set client: false`)
  }
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}
