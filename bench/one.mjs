// One measurement: a server on one core, the load on the other, and what came of it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { peers } from './peers.mjs'

const here = file => fileURLToPath(new URL(file, import.meta.url))

/** A port nobody listens on. */
export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

function pinned (core, command, args, options) {
  return process.platform === 'linux' ? spawn('taskset', ['-c', String(core), command, ...args], options) : spawn(command, args, options)
}

function output (child) {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', data => { text += data })
    child.once('close', code => code === 0 ? resolve(text) : reject(new Error(`the load ended with ${code}`)))
  })
}

async function start (name, core, env) {
  const peer = peers[name]
  const port = await freePort()
  const server = pinned(core, peer.runtime?.() ?? process.execPath, [here(`servers/${peer.server}`)], { env: { ...process.env, NODE_ENV: 'production', ...env, PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    server.stdout.once('data', resolve)
    server.once('exit', code => reject(new Error(`the server of ${name} ended with ${code} before it was ready`)))
  })
  return { port, server }
}

/**
 * Measures `job` on the peer of that name; `env` is for the server.
 * With a Redis two servers share it: the listeners are at the first, whose CPU is counted, and the publishers at the other.
 */
export async function measure (name, job, { env = {}, redis = null } = {}) {
  const servers = []
  try {
    const all = redis === null ? env : { ...env, REDIS_URL: redis }
    servers.push(await start(name, 0, all))
    if (redis !== null) servers.push(await start(name, 1, all))
    const [listening, publishing] = servers
    const whole = { peer: name, port: listening.port, publishPort: publishing?.port, pid: listening.server.pid, streams: 1, perSocket: 1, publishers: 1, inFlight: 1, replies: 0, warmup: 1, seconds: 4, idle: 0, deflate: false, ...job }
    const load = pinned(1, process.execPath, [here('load.mjs'), JSON.stringify(whole)], { stdio: ['ignore', 'pipe', 'inherit'] })
    return JSON.parse(await output(load))
  } finally {
    for (const { server } of servers) server.kill('SIGKILL')
  }
}
