// The load generator's own test: a server that loses, doubles or swaps a broadcast must be found out, and an honest one must pass.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { measure } from './one.mjs'

const quick = { sockets: 20, inFlight: 2, warmup: 0.1, seconds: 0.3 }

/** Throws when the load generator cannot be trusted. */
export async function checkLoad () {
  const { deliveries, perSecond } = await measure('ws-raw', quick)
  if (!(deliveries > 0 && perSecond > 0)) throw new Error('the load generator counted nothing on an honest server')
  for (const fault of ['lose', 'double', 'swap']) {
    if (await passes(fault)) throw new Error(`the load generator does not notice a server that would ${fault} a broadcast`)
  }
}

/** Whether the load takes a faulty server for an honest one. */
async function passes (fault) {
  const script = `import { measure } from ${JSON.stringify(new URL('one.mjs', import.meta.url).href)}
await measure('ws-raw', ${JSON.stringify(quick)}, { env: { FAULT: '${fault}' } })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('.', import.meta.url)), stdio: 'ignore', timeout: 10_000 })
  return await new Promise(resolve => child.once('close', code => resolve(code === 0)))
}
