// The load generator: connects listeners, publishes in a closed loop, and proves that every listener got the complete sequence.
// Runs as a child process; the job comes as JSON in the first argument, the result leaves as JSON on stdout.
import { readFileSync } from 'node:fs'
import { confirmations, peers } from './peers.mjs'
import { WireClient } from './wire-client.mjs'

const job = JSON.parse(process.argv[2])
const peer = peers[job.peer]
const { port, publishPort, pid, sockets, streams, perSocket, publishers, inFlight, replies, warmup, seconds, idle, deflate } = job
const extensions = deflate ? 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n' : ''
const nameOf = stream => `s${String(stream).padStart(4, '0')}`

/** Server CPU in microseconds, from the kernel's own count. */
function serverCpu () {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function serverRss () {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}

function fail (error) {
  console.error(`${job.peer}: ${error.message}`)
  process.exit(1)
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Opens one client and subscribes it; settles when everything is confirmed. */
function open (names, visitor, at = port) {
  return new Promise(resolve => {
    const client = new WireClient(at, peer, visitor, extensions)
    const greeting = [...peer.greeting]
    let wanted = confirmations(peer, names)
    const subscribe = () => { for (const text of peer.subscribe(names)) client.send(text) }
    client.onFailure = fail
    client.onText = text => {
      if (text === '' && greeting.length === 0) return subscribe()
      if (greeting.length > 0 && text.startsWith(greeting[0][0]) && text !== '') {
        const [, answer] = greeting.shift()
        if (answer !== null) client.send(answer)
        if (greeting.length === 0) subscribe()
      } else if (peer.isConfirmed(text) && --wanted === 0) {
        resolve(client)
      }
    }
  })
}

const clients = []
const listeners = new Int32Array(streams)
const rssBefore = serverRss()
const cpuBefore = serverCpu()
for (let i = 0; i < sockets; i += 100) {
  const group = Array.from({ length: Math.min(100, sockets - i) }, (_, j) => {
    const names = Array.from({ length: perSocket }, (_, k) => (i + j + k * 3) % streams)
    for (const stream of names) listeners[stream]++
    return open(names.map(nameOf), i + j).then(client => {
      for (const stream of names) client.next.set(stream, 0)
      return client
    })
  })
  clients.push(...await Promise.all(group))
}
const connectCpu = (serverCpu() - cpuBefore) / sockets
// Publishers are listeners, or, where there are two servers, somebody at the other one.
const speakers = publishPort === undefined ? clients : await Promise.all(Array.from({ length: publishers }, (_, p) => open(['s9999'], sockets + p, publishPort)))

// One number per stream; every listener must see each exactly once and in order.
const sent = new Int32Array(streams)
/** For each broadcast under way: how many listeners have yet to hear it, and when it was said. */
const remaining = Array.from({ length: streams }, () => new Map())
const buckets = new Uint32Array(200_000)
let measuring = false
let deliveries = 0
let published = 0
let repliesWanted = 0
let repliesGot = 0
let running = true
let outstanding = 0
let idleWaiter = null
const BUCKET = 0.02

function onBroadcast (client, stream, n) {
  if (n !== client.next.get(stream)) fail(new Error(`a listener of ${nameOf(stream)} got number ${n} where ${client.next.get(stream)} was next`))
  client.next.set(stream, n + 1)
  const broadcast = remaining[stream].get(n)
  if (measuring) {
    deliveries++
    buckets[Math.min(buckets.length - 1, (performance.now() - broadcast.at) / BUCKET | 0)]++
  }
  if (--broadcast.left > 0) return
  remaining[stream].delete(n)
  outstanding--
  if (running) publish(stream % publishers)
  else if (outstanding === 0) idleWaiter?.()
}

const turn = new Int32Array(publishers)
function publish (publisher) {
  // Each publisher owns its streams: two sockets writing to one stream would have no order to check.
  const own = Math.ceil((streams - publisher) / publishers)
  const stream = publisher + (turn[publisher]++ % own) * publishers
  const n = sent[stream]++
  remaining[stream].set(n, { left: listeners[stream], at: performance.now() })
  outstanding++
  published++
  const asks = replies > 0 && published % Math.round(1 / replies) === 0
  if (asks) repliesWanted++
  speakers[publisher].send(peer.publish(nameOf(stream), String(n).padStart(8, '0'), asks ? published : null, publishPort === undefined ? nameOf(publisher % streams) : 's9999'))
}

for (const client of new Set([...clients, ...speakers])) {
  client.onBroadcast = onBroadcast
  client.onText = text => { if (peer.isReply(text)) repliesGot++ }
}

const drained = () => outstanding === 0 ? Promise.resolve() : new Promise(resolve => { idleWaiter = resolve })

let rss = null
if (idle > 0) {
  // One broadcast to everybody first: buffers that a first write makes are part of a connection.
  running = false
  for (let stream = 0; stream < streams; stream++) publishOnce(stream)
  await drained()
  await sleep(idle * 1000)
  rss = (serverRss() - rssBefore) / sockets
  running = true
}

function publishOnce (stream) {
  turn[stream % publishers] = Math.floor(stream / publishers)
  publish(stream % publishers)
}

let result = { connectCpu, rss }
if (seconds > 0) {
  for (let p = 0; p < publishers; p++) for (let k = 0; k < inFlight; k++) publish(p)
  await sleep(warmup * 1000)
  measuring = true
  const cpu = serverCpu()
  const own = process.cpuUsage()
  const start = performance.now()
  const bytesBefore = clients.reduce((sum, { bytes }) => sum + bytes, 0)
  await sleep(seconds * 1000)
  measuring = false
  const elapsed = (performance.now() - start) / 1000
  const used = serverCpu() - cpu
  const bytes = clients.reduce((sum, client) => sum + client.bytes, 0) - bytesBefore
  const { user, system } = process.cpuUsage(own)
  running = false
  await drained()
  if (repliesGot !== repliesWanted) {
    await sleep(500)
    if (repliesGot !== repliesWanted) fail(new Error(`${repliesWanted} replies were asked for, ${repliesGot} came`))
  }
  result = {
    ...result,
    deliveries,
    perSecond: deliveries / elapsed,
    cpu: used / deliveries,
    bytes: bytes / deliveries,
    serverBusy: used / elapsed / 1e6,
    loadBusy: (user + system) / elapsed / 1e6,
    p50: percentile(0.5),
    p99: percentile(0.99)
  }
}

function percentile (part) {
  let left = deliveries * part
  const index = buckets.findIndex(count => (left -= count) <= 0)
  return index * BUCKET
}

for (const client of new Set([...clients, ...speakers])) client.close()
process.stdout.write(JSON.stringify(result) + '\n', () => process.exit(0))
