// Assets: a style, an icon, and Turbo as it comes from npm. The plugin itself serves /cable.js; there is no script of this app's own.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'

const turbo = createRequire(import.meta.url).resolve('@hotwired/turbo/dist/turbo.es2017-esm.js')

const assets = [
  ['/style.css', 'text/css; charset=utf-8', new URL('../public/style.css', import.meta.url)],
  ['/icon.svg', 'image/svg+xml', new URL('../public/icon.svg', import.meta.url)],
  ['/turbo.js', 'text/javascript; charset=utf-8', pathToFileURL(turbo)]
] as const

export async function assetRoutes (app: FastifyInstance): Promise<void> {
  for (const [path, type, file] of assets) {
    const body = await readFile(file)
    app.get(path, { config: { cable: false } }, (_request, reply) => reply.type(type).header('cache-control', 'no-cache').send(body))
  }
}
