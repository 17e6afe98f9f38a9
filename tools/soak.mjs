// Connects, subscribes, broadcasts and cuts lines, again and again, against a real server in a process of its own; everything must come back to zero and memory to its plateau.
// node tools/soak.mjs [--connections 1000] [--rounds 20] [--broadcasts 5], or one figure: flood [--seconds 10] | slow [--megabytes 200] | handshakes
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect as dial } from 'node:net'
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

  pause () { this.#ws._socket.pause() }
  cut () { this.#ws.terminate() }

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

const p99 = times => times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]

/** Asks and waits for the answer, again and again, for so long: the milliseconds of each. */
async function rounds (ws, seconds) {
  const times = []
  const end = performance.now() + seconds * 1000
  for (let n = 0; performance.now() < end; n++) {
    const start = performance.now()
    ws.send(JSON.stringify({ command: 'subscribe', channel: 'FreeChannel', params: { n: n % 50 } }))
    await once(ws, 'message')
    times.push(performance.now() - start)
    // Well below its rate: it is the flood that is measured.
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return times
}

/** T14: what everybody else notices of one who floods: words, pings, handshakes. */
export async function flood ({ seconds }) {
  const server = await serve()
  const ws = new WebSocket(server.url)
  await once(ws, 'open')
  const idle = p99(await rounds(ws, seconds))
  const chunk = Buffer.concat(Array.from({ length: 250 }, () => Buffer.from([0x81, 0x92, 0, 0, 0, 0, ...Buffer.from('{"command":"pong"}')])))
  const flooding = new AbortController()
  let closes = 0
  const done = (async () => {
    while (!flooding.signal.aborted) {
      const flooder = new WebSocket(server.url)
      flooder.on('error', () => {})
      flooder.on('close', () => { closes++ })
      await new Promise(resolve => flooder.once('open', resolve).once('close', resolve))
      while (!flooding.signal.aborted && flooder.readyState === WebSocket.OPEN) {
        // Fifty thousand frames a second, unless the server reads less.
        if (flooder._socket.writableLength < 2 ** 20) flooder._socket.write(chunk)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      flooder.terminate()
    }
  })()
  const { late: before } = await server.ask()
  const flooded = p99(await rounds(ws, seconds))
  const { late } = await server.ask()
  flooding.abort()
  await done
  ws.terminate()
  await server.stop()
  return `p99 of others: ${idle.toFixed(1)} ms idle, ${flooded.toFixed(1)} ms while one floods (closed ${closes} times); event loop late p99 ${before.toFixed(1)} ms idle, ${late.toFixed(1)} ms flooded`
}

/** T13: one of a hundred reads nothing, while megabytes are broadcast. */
export async function slow ({ connections, megabytes }) {
  const server = await serve(['--no-flood-limits'])
  const clients = Array.from({ length: connections }, () => new Client())
  await Promise.all(clients.map((client, n) => client.open(server.url, n % 2 === 0 ? '' : 'channels-v1', 1)))
  const paused = clients.filter((_, n) => n % 100 === 0)
  const reading = clients.filter(client => !paused.includes(client))
  const times = megabytes * 16
  // First the same with everybody reading: that peak is what the slow ones are measured against.
  const warm = times
  let [before, peak, gone, start] = [0, 0, null, 0]
  for (let n = 1; n <= warm + times; n++) {
    await server.ask({ stream: 'chat_general', times: 1, data: 'x'.repeat(65_000) })
    await Promise.all((n <= warm ? clients : reading).map(client => client.until(() => client.heard >= n)))
    if (n % 16 === 0) {
      const { rss, connections: open } = await server.ask()
      if (n <= warm) before = Math.max(before, rss)
      else peak = Math.max(peak, rss)
      if (n > warm && gone === null && open === reading.length) gone = performance.now() - start
    }
    if (n === warm) {
      start = performance.now()
      for (const client of paused) client.pause()
    }
  }
  while (gone === null && performance.now() - start < 60_000) {
    await new Promise(resolve => setTimeout(resolve, 100))
    if ((await server.ask()).connections === reading.length) gone = performance.now() - start
  }
  for (const client of clients) client.cut()
  await server.stop()
  return `${paused.length} of ${connections} read nothing of ${megabytes} MB: gone after ${gone === null ? 'never' : `${(gone / 1000).toFixed(1)} s`}; the others heard all ${times}; the peak of memory is ${((peak - before) / 2 ** 20).toFixed(1)} MiB over that of the same with everybody reading`
}

/** T15: handshakes that lead nowhere. */
export async function handshakes ({ connections }) {
  const server = await serve()
  const { port } = new URL(server.url)
  const key = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  const heads = ['GET /%zz HTTP/1.1\r\nHost: a\r\n', 'GET /nope HTTP/1.1\r\nHost: a\r\n', 'GET /cable HTTP/1.1\r\n', 'GET /cable HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.test\r\n', 'POST /cable HTTP/1.1\r\nHost: a\r\n']
  const open = new Set()
  for (let n = 0; n < connections; n++) {
    const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(heads[n % heads.length] + key))
    open.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => open.delete(socket))
  }
  const start = performance.now()
  while (open.size > 0 && performance.now() - start < 30_000) await new Promise(resolve => setTimeout(resolve, 50))
  const seconds = (performance.now() - start) / 1000
  await server.stop()
  return `${connections} handshakes that lead nowhere: ${open.size} open after ${seconds.toFixed(1)} s`
}

if (isMain(import.meta.url)) {
  const numbers = { connections: '1000', rounds: '20', broadcasts: '5', seconds: '10', megabytes: '200' }
  const { values, positionals } = parseArgs({ allowPositionals: true, options: Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, { type: 'string', default: value }])) })
  const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]))
  const figures = new Map([['flood', flood], ['slow', slow], ['handshakes', handshakes]])
  const figure = figures.get(positionals[0])
  if (figure !== undefined) {
    console.log(await figure(options))
  } else {
    const told = ({ round, seconds, rss, heap, fds }) => console.log(`round ${round}: ${seconds.toFixed(1)} s, rss ${(rss / 2 ** 20).toFixed(1)} MiB, heap ${(heap / 2 ** 20).toFixed(1)} MiB, ${fds ?? '?'} descriptors`)
    const { growth, failures } = await soak({ ...options, told })
    if (growth !== null) console.log(`memory after round ${WARM_UP}: ${growth > 0 ? '+' : ''}${(growth * 100).toFixed(1)} %`)
    console.log(failures.length === 0 ? '0 failures' : `FAILED\n${failures.join('\n')}`)
    if (failures.length > 0) process.exitCode = 1
  }
}
