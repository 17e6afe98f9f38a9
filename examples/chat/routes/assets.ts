// Assets: the few files a page needs, read once. The plugin itself serves /cable.js.
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'

const types = {
  'chat.js': 'text/javascript; charset=utf-8',
  'sidebar.js': 'text/javascript; charset=utf-8',
  'time.js': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml'
}

export async function assetRoutes (app: FastifyInstance): Promise<void> {
  for (const [file, type] of Object.entries(types)) {
    const body = await readFile(new URL(`../public/${file}`, import.meta.url))
    app.get(`/${file}`, { config: { cable: false } }, (_request, reply) => reply.type(type).header('cache-control', 'no-cache').send(body))
  }
}
