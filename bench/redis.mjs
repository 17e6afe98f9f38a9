// A Redis for the workloads that need one: nothing kept, on a port of its own.
import { spawn } from 'node:child_process'
import { freePort } from './one.mjs'

/** Starts it; settles with its address and a way to stop it. */
export async function startRedis () {
  const port = await freePort()
  const server = spawn(process.env.REDIS_SERVER_PATH || 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    server.once('error', () => reject(new Error('redis-server is needed for this workload: apt-get install -y redis-server, or name its program in REDIS_SERVER_PATH')))
    server.stdout.on('data', data => { if (String(data).includes('Ready to accept')) resolve() })
  })
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.kill('SIGTERM') }
}
