// Connects, subscribes, broadcasts and cuts lines, again and again, against a real server in a process of its own; everything must come back to zero and memory to its plateau.
// node tools/soak.mjs [--connections 1000] [--rounds 20] [--broadcasts 5]
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { serve } from './fuzz.mjs'
import { isMain } from './run.mjs'

/** Rounds before memory is looked at: buffers, caches and compiled code have found their size by then. */
const WARM_UP = 10
/** Handshakes under way at once. */
const AT_ONCE = 200

class Client {
  #ws
  heard = 0
  confirmed = 0
  #wake = null

  async open (url, protocol, subscriptions) {
    const ws = this.#ws = new WebSocket(url, protocol === '' ? [] : protocol, { perMessageDeflate: false })
    ws.on('error', () => {})
    ws.on('message', data => {
      const { type } = JSON.parse(data)
      if (type === 'confirm_subscription') this.confirmed++
      if (type === 'message' || type === 'broadcast') this.heard++
      this.#wake?.()
    })
    await once(ws, 'open')
    ws.send('{"command":"subscribe","channel":"ChatChannel","params":{"room":"general"}}')
    for (let n = 1; n < subscriptions; n++) ws.send(JSON.stringify({ command: 'subscribe', channel: 'FreeChannel', params: { n } }))
    await this.until(() => this.confirmed === subscriptions)
  }

  async until (isSo) {
    while (!isSo()) await new Promise(resolve => { this.#wake = resolve })
  }

  /** Half say goodbye, a quarter hang up, a quarter are cut off in the middle of a word. */
  leave (n) {
    if (n % 2 === 0) return this.#ws.close()
    if (n % 4 === 3) this.#ws._socket.write(Buffer.from([0x81, 0xfe, 0x10]))
    this.#ws.terminate()
  }
}

function descriptors (pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    // Only Linux lists them.
    return null
  }
}

/** Runs the whole; settles with the figures of each round and what was wrong. */
export async function soak ({ connections, rounds, broadcasts = 5, subscriptions = 3, told = () => {} }) {
  const server = await serve(['--no-flood-limits'])
  const failures = []
  const figures = []
  const base = { ...await server.ask('settle'), fds: descriptors(server.child.pid) }
  try {
    for (let round = 1; round <= rounds; round++) {
      const start = performance.now()
      const clients = []
      for (let n = 0; n < connections; n += AT_ONCE) {
        const some = Array.from({ length: Math.min(AT_ONCE, connections - n) }, () => new Client())
        clients.push(...some)
        await Promise.all(some.map((client, i) => client.open(server.url, (n + i) % 2 === 0 ? '' : 'channels-v1', subscriptions)))
      }
      const full = await server.ask()
      if (full.connections !== connections || full.subscriptions !== connections * subscriptions) failures.push(`round ${round}: ${full.connections} connections and ${full.subscriptions} subscriptions are there`)
      await server.ask({ stream: 'chat_general', times: broadcasts, data: { round } })
      await Promise.all(clients.map(client => client.until(() => client.heard === broadcasts)))
      clients.forEach((client, n) => client.leave(n))
      const { rss, heap, handles, faults, connections: open, subscriptions: left } = await server.ask('settle')
      const figure = { round, seconds: (performance.now() - start) / 1000, rss, heap, handles, fds: descriptors(server.child.pid) }
      figures.push(figure)
      told(figure)
      if (faults.length > 0) failures.push(`round ${round}: the process saw ${faults.join('; ')}`)
      if (open + left > 0) failures.push(`round ${round}: ${open} connections and ${left} subscriptions were left behind`)
      if (handles > base.handles) failures.push(`round ${round}: ${handles - base.handles} sockets were left open`)
      if (failures.length > 0) break
    }
  } catch (error) {
    failures.push(error.message)
  }
  await server.stop()
  const last = figures.at(-1)
  const warm = figures[WARM_UP - 1]
  if (last?.fds != null && last.fds > base.fds) failures.push(`${last.fds - base.fds} descriptors were left open`)
  const growth = warm !== undefined && last !== warm ? last.rss / warm.rss - 1 : null
  if (growth !== null && growth > 0.05) failures.push(`memory grew by ${(growth * 100).toFixed(1)} % after round ${WARM_UP}`)
  return { base, figures, growth, failures }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { connections: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '20' }, broadcasts: { type: 'string', default: '5' } } })
  const told = ({ round, seconds, rss, heap, fds }) => console.log(`round ${round}: ${seconds.toFixed(1)} s, rss ${(rss / 2 ** 20).toFixed(1)} MiB, heap ${(heap / 2 ** 20).toFixed(1)} MiB, ${fds ?? '?'} descriptors`)
  const { growth, failures } = await soak({ connections: Number(values.connections), rounds: Number(values.rounds), broadcasts: Number(values.broadcasts), told })
  if (growth !== null) console.log(`memory after round ${WARM_UP}: ${growth > 0 ? '+' : ''}${(growth * 100).toFixed(1)} %`)
  console.log(failures.length === 0 ? '0 failures' : `FAILED\n${failures.join('\n')}`)
  if (failures.length > 0) process.exitCode = 1
}
