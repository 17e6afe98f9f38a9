// One measurement: a server on one core, the load on the other, and what came of it.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { peers } from './peers.mjs'

const here = file => fileURLToPath(new URL(file, import.meta.url))

function freePort () {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
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

/** Measures `workload` on the peer of that name; `env` is for the server. */
export async function measure (name, workload, env = {}) {
  const peer = peers[name]
  const port = await freePort()
  const server = pinned(0, peer.runtime?.() ?? process.execPath, [here(`servers/${peer.server}`)], { env: { ...process.env, NODE_ENV: 'production', ...env, PORT: String(port) }, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await new Promise((resolve, reject) => {
      server.stdout.once('data', resolve)
      server.once('exit', code => reject(new Error(`the server of ${name} ended with ${code} before it was ready`)))
    })
    const job = { peer: name, port, pid: server.pid, streams: 1, perSocket: 1, publishers: 1, inFlight: 1, replies: 0, warmup: 1, seconds: 0, idle: 0, ...workload }
    const load = pinned(1, process.execPath, [here('load.mjs'), JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] })
    return JSON.parse(await output(load))
  } finally {
    server.kill('SIGKILL')
  }
}
