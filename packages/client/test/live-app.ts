// A real server with rooms, the real Turbo and the client as it is built, for pages in a real browser.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import channels, { Channel } from 'fastify-channels'

/** What the rooms have heard, and who is in them, as the server sees it. */
export class LiveApp {
  readonly app: FastifyInstance
  readonly url: string
  readonly #rooms: Map<string, number[]>
  /** Subscriptions there are, by room. */
  readonly present: Map<string, number>
  /** Subscriptions there were, by room. */
  readonly entered: Map<string, number>

  private constructor (app: FastifyInstance, url: string, rooms: Map<string, number[]>, present: Map<string, number>, entered: Map<string, number>) {
    this.app = app
    this.url = url
    this.#rooms = rooms
    this.present = present
    this.entered = entered
  }

  static async start (): Promise<LiveApp> {
    const rooms = new Map<string, number[]>()
    const [present, entered] = [new Map<string, number>(), new Map<string, number>()]
    const app = Fastify({ forceCloseConnections: true })

    class RoomChannel extends Channel<{ room: string }> {
      static actions = { shout: true }

      subscribed () {
        const { room } = this.params
        if (room === 'closed') this.reject()
        entered.set(room, (entered.get(room) ?? 0) + 1)
        present.set(room, (present.get(room) ?? 0) + 1)
        this.streamFrom(`room_${room}`)
      }

      unsubscribed () {
        const { room } = this.params
        const left = present.get(room)! - 1
        if (left > 0) present.set(room, left)
        else present.delete(room)
      }

      shout (text: string) {
        this.broadcast(`room_${this.params.room}`, text)
        return text.length
      }
    }

    await app.register(channels, { channels: { RoomChannel }, client: false })
    const turbo = await readFile(createRequire(import.meta.url).resolve('@hotwired/turbo/dist/turbo.es2017-esm.js'))
    const client = await bundle()
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body as string))))
    app.get('/turbo.js', (_request, reply) => reply.type('text/javascript').send(turbo))
    app.get('/cable.js', (_request, reply) => reply.type('text/javascript').send(client))
    app.get('/favicon.ico', (_request, reply) => reply.code(204).send())
    app.get('/bare', (_request, reply) => reply.type('text/html').send(page('<p>bare</p>', false)))
    // Rooms 1 to 6 are on page a, 4 to 9 on page b: three of them on both.
    app.get<{ Querystring: { rooms: string, since?: string } }>('/rooms', async ({ query }, reply) => {
      const shown = query.rooms.split(',')
      const lists = await Promise.all(shown.map(async room => {
        const { data, since } = await app.cable.snapshot(`room_${room}`, () => [...rooms.get(room) ?? []])
        return `<turbo-stream-channel channel="RoomChannel" params='{"room":"${room}"}'${query.since === 'no' ? '' : ` since="${since}"`}></turbo-stream-channel>` +
          `<ul id="room_${room}" data-room="${room}">${data.map(n => `<li>${n}</li>`).join('')}</ul>`
      }))
      return reply.type('text/html').send(page(`<h1>${query.rooms}</h1><a id="to_a" href="/rooms?rooms=1,2,3,4,5,6">a</a> <a id="to_b" href="/rooms?rooms=4,5,6,7,8,9">b</a>
        <form action="/say" method="post"><input name="room" value="${shown[0]}"><input name="text" id="text"><button>say</button></form>${lists.join('')}`, true))
    })
    app.post('/say', async (request: FastifyRequest<{ Body: { room: string, text: string } }>, reply) => {
      const { room, text } = request.body
      const stream = append(room, text)
      reply.cable.toOthers().broadcast(`room_${room}`, stream)
      return reply.type('text/vnd.turbo-stream.html').send(stream)
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    return new LiveApp(app, url, rooms, present, entered)
  }

  /** Writes into a room, and tells it. */
  async say (room: string): Promise<void> {
    const list = this.#rooms.get(room) ?? []
    this.#rooms.set(room, list)
    list.push(list.length + 1)
    await this.app.cable.broadcast(`room_${room}`, append(room, String(list.length)))
  }

  /** All that was said in a room. */
  heard (room: string): string[] {
    return (this.#rooms.get(room) ?? []).map(String)
  }

  /** The rooms somebody is in, and how often. */
  get occupied (): Array<[string, number]> {
    return [...this.present].sort()
  }
}

export function append (room: string, text: string): string {
  return `<turbo-stream action="append" target="room_${room}"><template><li>${text}</li></template></turbo-stream>`
}

function page (body: string, hasTurbo: boolean): string {
  return `<!doctype html><html lang="en"><head><title>page</title><meta name="turbo-refresh-method" content="morph">${hasTurbo ? '<script type="module" src="/turbo.js"></script>' : ''}
    <script type="module">import * as client from '/cable.js'; Object.assign(window, client, { isReady: true })</script></head><body>${body}</body></html>`
}

async function bundle (): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/index.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    minify: true,
    conditions: ['fastify-channels-source']
  })
  return outputFiles[0]!.contents
}
