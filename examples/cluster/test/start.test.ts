// The command: starts everything, says where it is, and leaves nothing behind.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('the command starts it, says where it is, and ends every part of it', async t => {
  const { child, said, closed } = start({ PORT: '0', REDIS_URL: undefined })
  await said('Everybody')
  const ports = [...(await said('private window')).matchAll(/http:\/\/\S+:(\d+)/g)].map(match => Number(match[1]))
  t.equal(ports.length, 2)
  for (const port of ports) t.equal((await fetch(`http://localhost:${port}/login`)).status, 200)
  // Ctrl-C in a terminal: every process of the group hears it at once.
  process.kill(-child.pid!, 'SIGINT')
  t.strictSame(await closed, [0, null])
  for (const port of ports) t.equal(await answers(port), false)
})

t.test('without a Redis it says in one sentence what to install', async t => {
  const { said, closed } = start({ PORT: '0', REDIS_URL: undefined, REDIS_SERVER_PATH: '/nowhere/redis-server' })
  t.match(await said('\n'), /^A cluster needs Redis: install it .+ or set REDIS_SERVER_PATH .+\n$/)
  t.strictSame(await closed, [1, null])
})

/** Runs the command, and lets one wait for what it says. */
function start (env: { [name: string]: string | undefined }) {
  const root = fileURLToPath(new URL('../../../', import.meta.url))
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const child = spawn(process.execPath, [`--import=${root}tools/ts.mjs`, '--conditions=fastify-channels-source', 'start.ts'], { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let output = ''
  const wake = new Set<() => void>()
  const hear = (text: string) => {
    output += text
    for (const look of wake) look()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  const closed = once(child, 'close')
  t.teardown(async () => {
    child.kill()
    await closed
  })
  const said = (text: string) => new Promise<string>((resolve, reject) => {
    const look = () => { if (output.includes(text)) resolve(output) }
    wake.add(look)
    child.once('close', code => reject(new Error(`it ended with code ${code}: ${output}`)))
    look()
  })
  return { child, said, closed }
}

/** Whether somebody listens on a port. */
function answers (port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, 'localhost', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => resolve(false))
  })
}
