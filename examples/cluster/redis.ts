// The Redis that the processes share: the one at REDIS_URL, or one of our own, which keeps nothing and ends with us.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/** A Redis that answers, until it is closed. */
export interface Running {
  readonly url: string
  close: () => Promise<void>
}

/** Finds a Redis, or starts one. */
export async function startRedis ({ REDIS_URL, REDIS_SERVER_PATH = 'redis-server' } = process.env as { [name: string]: string | undefined }): Promise<Running> {
  if (REDIS_URL !== undefined) return { url: REDIS_URL, close: async () => {} }
  const port = await freePort()
  // In a group of its own: Ctrl-C ends those who use it first, and then they are not in the way of each other.
  const child = spawn(REDIS_SERVER_PATH, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const gone = new Promise<Error>(resolve => {
    child.once('error', () => resolve(new Error('A cluster needs Redis: install it (apt-get install redis-server, brew install redis), or set REDIS_SERVER_PATH to the program, or REDIS_URL to one that runs.')))
    child.once('exit', code => resolve(new Error(`${REDIS_SERVER_PATH} ended with code ${code}`)))
  })
  const isReady = new Promise<null>(resolve => child.stdout.on('data', text => { if (String(text).includes('Ready to accept connections')) resolve(null) }))
  const problem = await Promise.race([isReady, gone])
  if (problem !== null) throw problem
  const end = () => { child.kill() }
  process.once('exit', end)
  return {
    url: `redis://127.0.0.1:${port}`,
    async close () {
      process.off('exit', end)
      const exited = once(child, 'exit')
      if (child.exitCode === null && child.kill()) await exited
    }
  }
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
