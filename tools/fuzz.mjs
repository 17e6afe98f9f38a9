// Says random, almost right things to a real server in a process of its own, and checks every answer; prints the seed that repeats it. Knows the wire, nothing of the server.
// node tools/fuzz.mjs [--frames 1000000] [--seed 1] [--sockets 8]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { WebSocket } from 'ws'
import { isMain, root } from './run.mjs'

/** How many frames are under way on one socket before an answer is waited for. */
const WINDOW = 50

/** Bytes that the server's heap may have grown by in the end, caches and compiled code included. */
const HEAP = 32 * 2 ** 20

/** mulberry32: small, fast, and the same everywhere. */
export function random (seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = n => Math.floor(next() * n)
  return { next, below, pick: list => list[below(list.length)], chance: share => next() < share }
}

const words = ['', 'general', 'a', 'é', 'e\u0301', '\ud800', '\udc00x', '\u0000', '\u2028', '"', '\\', '</script>', '__proto__', 'constructor', 'prototype', 'toString', 'then', 'toJSON', 'length', 'x'.repeat(65), 'y'.repeat(129), 'z'.repeat(5000)]
const numbers = ['0', '-0', '1', '-1', '1.5', '1e3', '1e999', '9007199254740991', '9007199254740993', '0.1', '1E-400']
const channels = ['ChatChannel', 'FreeChannel', 'OddChannel', 'BoomChannel', 'InboxChannel', 'NoChannel']
const actions = ['speak', 'typing', 'receive', 'seen', 'constructorOf', 'act', 'inherited', 'boom', 'bigint', 'circular', 'deep', 'rejects', 'badJson', 'thenable', 'secret', '_hidden', 'subscribed', 'send', 'then', 'constructor', 'streamFrom']
const keys = ['command', 'channel', 'params', 'action', 'data', 'id', 'ref', 'tab', 'positions', 'identifier', 'type', ...words.slice(0, 19)]

/** The text of a JSON value, deep or wide or merely odd. */
function value ({ below, pick, chance }, depth = 0) {
  if (depth > 6 || chance(0.5)) return pick(['null', 'true', 'false', pick(numbers), JSON.stringify(pick(words)), '{}', '[]'])
  const size = depth < 2 && chance(0.02) ? below(300) : below(3)
  const items = Array.from({ length: size }, () => value({ below, pick, chance }, depth + 1))
  return chance(0.5) ? `[${items}]` : `{${items.map(item => `${JSON.stringify(pick(keys))}:${item}`)}}`
}

/** The text of a command that could be good. */
function command (chaos) {
  const { below, pick, chance } = chaos
  const kind = pick(['subscribe', 'subscribe', 'message', 'message', 'message', 'unsubscribe', 'pong'])
  const params = chance(0.6) ? pick(['{"room":"general"}', '{"room":"a"}', '{}', `{"n":${below(20)}}`, '{"b":1,"a":{"d":1,"c":2}}']) : value(chaos)
  const parts = [`"command":"${kind}"`, `"channel":${JSON.stringify(chance(0.002) ? 'SlowChannel' : pick(channels))}`, `"params":${params}`]
  if (kind === 'message') parts.push(`"action":${JSON.stringify(pick(actions))}`, `"data":${value(chaos)}`)
  if (kind === 'message' && chance(0.5)) parts.push(`"id":${chance(0.9) ? below(1e6) : value(chaos)}`)
  if (kind === 'subscribe' && chance(0.4)) parts.push(`"ref":${chance(0.8) ? below(1e6) : value(chaos)}`, `"positions":${chance(0.5) ? '{"chat_general":"k3f9.1"}' : value(chaos)}`, `"tab":${value(chaos)}`)
  if (chance(0.1)) parts.push(`${JSON.stringify(pick(keys))}:${value(chaos)}`)
  if (chance(0.1)) parts.splice(below(parts.length), 1)
  if (chance(0.05)) parts.reverse()
  return `{${parts}}`
}

const insertions = ['{', '}', '[', ']', '"', ',', ':', '\\', '\\u', '\\ud800', '\u0000', '\ufeff', 'null', '1e999', '__proto__', '"constructor":{"prototype":1}', '//', '\n', '[['.repeat(3000)]

/** The same text, with an accident. */
function mutate (text, { below, pick, chance }) {
  const at = below(text.length + 1)
  switch (below(7)) {
    case 0: return text.slice(0, at)
    case 1: return text.slice(0, at) + pick(insertions) + text.slice(at)
    case 2: return text.slice(0, at) + text.slice(at + 1 + below(8))
    case 3: return text.slice(0, at) + text.slice(below(text.length + 1)) + text.slice(at)
    case 4: return text + (chance(0.5) ? text : pick(insertions))
    case 5: return text.replace(pick(keys), pick(words))
    default: return text.slice(0, at) + String.fromCharCode(below(0xffff)) + text.slice(at + 1)
  }
}

/** One text frame: good, almost good, or anything. */
export function utterance (chaos) {
  let text = chaos.chance(0.9) ? command(chaos) : value(chaos)
  while (chaos.chance(0.35) && text.length < 16_000) text = mutate(text, chaos)
  return text.length > 16_000 ? text.slice(0, 16_000) : text
}

/** Bytes that could be frames. */
function bytes ({ below, chance }) {
  return Buffer.concat(Array.from({ length: 1 + below(5) }, () => {
    const payload = Buffer.from(Array.from({ length: chance(0.1) ? below(300) : below(20) }, () => below(256)))
    const head = [chance(0.7) ? 0x81 : below(256), (chance(0.9) ? 0x80 : 0) | (chance(0.8) ? Math.min(payload.length, 125) : below(128)), below(256), below(256), below(256), below(256)]
    return Buffer.concat([Buffer.from(head), payload])
  }))
}

const reasons = new Set(['invalid_json', 'invalid_message', 'unknown_command', 'not_subscribed', 'invalid_action', 'unknown_action', 'invalid_data', 'rate_limited', 'error'])
const rejections = new Set([undefined, 'unknown_channel', 'invalid_params', 'too_many_subscriptions', 'timeout', 'overflow', 'error', 'revoked'])
const isAddress = ({ channel, params }) => typeof channel === 'string' && typeof params === 'object' && params !== null && !Array.isArray(params)
const isRef = ref => ref === undefined || typeof ref === 'string' || (Number.isSafeInteger(ref) && ref >= 0)

/** Type of a frame → whether it is one that a server may say. */
const grammar = new Map([
  ['confirm_subscription', frame => isAddress(frame) && isRef(frame.ref)],
  ['reject_subscription', frame => isAddress(frame) && isRef(frame.ref) && rejections.has(frame.reason)],
  ['message', frame => isAddress(frame) && 'data' in frame],
  ['broadcast', ({ stream }) => typeof stream === 'string'],
  ['gap', ({ stream }) => typeof stream === 'string'],
  ['streams', isAddress],
  ['reply', ({ id, status, reason }) => isRef(id) && id !== undefined && (status === 'ok' || (status === 'error' && reasons.has(reason)))],
  ['error', ({ reason }) => reasons.has(reason)],
  ['ping', () => true]
])

/** Why this is no frame of a server; null for one that is. */
export function fault (text) {
  let frame
  try {
    frame = JSON.parse(text)
  } catch {
    return 'an answer that is no JSON'
  }
  if (!grammar.get(frame?.type)?.(frame)) return 'an answer of no known shape'
  return /SELECT|\.ts:|node:internal|node_modules/.test(text) ? 'an answer that tells of the inside' : null
}

/** One socket of the fuzzer. When the server closes it for what it heard, the next one takes its place. */
class Talker {
  #url
  #protocol
  #ws = null
  #settled = null
  failures = []
  closes = new Map()
  answers = 0

  constructor (url, protocol) {
    this.#url = url
    this.#protocol = protocol
  }

  get isOpen () { return this.#ws?.readyState === WebSocket.OPEN }

  async open () {
    const ws = this.#ws = new WebSocket(this.#url, this.#protocol === '' ? [] : this.#protocol, { perMessageDeflate: false })
    ws.on('message', data => {
      this.answers++
      const what = fault(String(data))
      if (what !== null) this.failures.push(`${what}: ${String(data).slice(0, 300)}`)
    })
    ws.on('pong', () => this.#settled?.())
    ws.on('error', () => {})
    ws.on('close', code => {
      this.closes.set(code, (this.closes.get(code) ?? 0) + 1)
      this.#settled?.()
    })
    await once(ws, 'open')
  }

  say (text) {
    this.#ws.send(text)
  }

  /** Goes below the words, and hangs up: what it said last may be half a frame. */
  async scramble (bytes) {
    this.#ws._socket.write(bytes)
    await new Promise(resolve => setImmediate(resolve))
    this.close()
  }

  /** Settles when the server has read everything. */
  async settle () {
    if (!this.isOpen) return
    let timer
    const settled = new Promise(resolve => { this.#settled = resolve })
    const late = new Promise(resolve => { timer = setTimeout(resolve, 10_000, 'late') })
    this.#ws.ping()
    if (await Promise.race([settled, late]) === 'late') this.failures.push('the server stopped reading for 10 s')
    clearTimeout(timer)
    this.#settled = null
  }

  close () {
    this.#ws?.terminate()
  }
}

/** Row 1 of the corpus on a socket of its own: the milliseconds until its answer, or null when it is not the right one. */
async function pulse (url) {
  const ws = new WebSocket(url)
  await once(ws, 'open')
  const start = performance.now()
  ws.send('{"command":"subscribe","channel":"ChatChannel","params":{"room":"general"}}')
  const [data] = await Promise.race([once(ws, 'message'), once(ws, 'close').then(() => ['{}'])])
  const ms = performance.now() - start
  ws.terminate()
  return JSON.parse(data).type === 'confirm_subscription' ? ms : null
}

/** Starts the server of the corpus in a process of its own. */
export async function serve (args = []) {
  const child = fork(join(root, 'packages/fastify-channels/test/corpus/server.ts'), args, {
    execArgv: ['--expose-gc', `--import=${new URL('ts.mjs', import.meta.url)}`, '--conditions=fastify-channels-source'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc']
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', text => { complaints = (complaints + text).slice(-10_000) })
  let over = null
  let waiting = null
  const ended = () => new Error(`the server ended: ${JSON.stringify(over)}\n${complaints}`)
  child.on('message', message => waiting?.resolve(message))
  // Asking one that just ended: its exit says the same, and more.
  child.on('error', () => {})
  child.once('exit', (code, signal) => {
    over = { code, signal }
    waiting?.reject(ended())
  })
  const answer = () => new Promise((resolve, reject) => { waiting = { resolve, reject } })
  const { port } = await answer()
  return {
    child,
    url: `ws://127.0.0.1:${port}/cable`,
    get over () { return over },
    get complaints () { return complaints },
    /** What the server says of itself: { connections, subscriptions, streams, faults, isClean, rss, heap, handles }. */
    async ask (what = 'report') {
      if (over !== null) throw ended()
      child.send(what)
      return await answer()
    },
    async stop () {
      if (over === null) {
        child.kill()
        await once(child, 'exit')
      }
    }
  }
}

/** Runs the whole; settles with what was found. */
export async function fuzz ({ frames, seed, sockets }) {
  const chaos = random(seed)
  const server = await serve(['--no-flood-limits'])
  const talkers = Array.from({ length: sockets }, (_, n) => new Talker(server.url, n % 2 === 0 ? '' : 'channels-v1'))
  const failures = []
  const pulses = []
  const before = await server.ask()
  const start = performance.now()
  let last = []
  let said = 0
  try {
    while (said < frames && failures.length === 0) {
      for (const talker of talkers) {
        if (!talker.isOpen || chaos.chance(0.01)) {
          talker.close()
          await talker.open()
        }
        last = []
        for (let n = 0; n < WINDOW && said < frames; n++, said++) {
          const text = utterance(chaos)
          last.push(text)
          talker.say(text)
        }
        await talker.settle()
        if (chaos.chance(0.02)) await talker.scramble(bytes(chaos))
        failures.push(...talker.failures.splice(0))
      }
      if (said % 2000 < WINDOW * sockets) {
        const ms = await pulse(server.url)
        if (ms === null) failures.push('a good subscribe got a wrong answer')
        else pulses.push(ms)
      }
      if (server.over !== null) failures.push(`the server ended: ${JSON.stringify(server.over)} ${server.complaints}`)
    }
  } catch (error) {
    failures.push(error.message)
  }
  const seconds = (performance.now() - start) / 1000
  for (const talker of talkers) talker.close()
  let after = null
  try {
    after = await server.ask('settle')
    if (after.faults.length > 0) failures.push(`the process saw ${after.faults.join('; ')}`)
    if (after.heap - before.heap > HEAP) failures.push(`the heap grew by ${after.heap - before.heap} bytes`)
    if (!after.isClean) failures.push('the prototype of everything is not clean')
    if (after.connections + after.subscriptions > 0) failures.push(`${after.connections} connections and ${after.subscriptions} subscriptions were left behind`)
  } catch (error) {
    failures.push(error.message)
  }
  await server.stop()
  pulses.sort((a, b) => a - b)
  const closes = talkers.reduce((all, { closes }) => { for (const [code, times] of closes) all[code] = (all[code] ?? 0) + times; return all }, {})
  return { frames: said, answers: talkers.reduce((sum, { answers }) => sum + answers, 0), seconds, closes, p99: pulses[Math.floor(pulses.length * 0.99)] ?? null, heapGrowth: after === null ? null : after.heap - before.heap, failures, last }
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { frames: { type: 'string', default: '1000000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) }, sockets: { type: 'string', default: '8' } } })
  const [frames, seed, sockets] = [Number(values.frames), Number(values.seed), Number(values.sockets)]
  console.log(`seed ${seed}: ${frames} frames on ${sockets} sockets`)
  const { answers, seconds, closes, p99, heapGrowth, failures, last, frames: said } = await fuzz({ frames, seed, sockets })
  console.log(`${said} frames, ${answers} answers, ${seconds.toFixed(1)} s; p99 of a good subscribe meanwhile ${p99?.toFixed(1)} ms; heap ${heapGrowth === null ? '?' : (heapGrowth / 2 ** 20).toFixed(1)} MiB; closes ${JSON.stringify(closes)}`)
  if (failures.length > 0) {
    console.log(`FAILED, again with --seed ${seed} --frames ${said} --sockets ${sockets}:\n${failures.slice(0, 5).join('\n')}\nthe last frames were\n${last.slice(-5).map(text => JSON.stringify(text.slice(0, 500))).join('\n')}`)
    process.exitCode = 1
  } else {
    console.log('0 failures')
  }
}
