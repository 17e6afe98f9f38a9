// Starts an example: installs, builds, and hands the terminal over to it. Says which port is free where the wanted one is not.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { build } from './build.mjs'
import { Complaint, explain } from './complaint.mjs'
import { install } from './install.mjs'
import { exitCode, isMain, passSignals, root } from './run.mjs'

const examples = join(root, 'examples')

/** Runs the example of that name until it ends; settles with its exit code. */
export async function demo (name = 'chat', { PORT = '3000' } = process.env) {
  const folder = join(examples, name)
  if (!/^[\w-]+$/.test(name) || !existsSync(join(folder, 'package.json'))) throw new Complaint(`There is no example "${name}"; there are ${readdirSync(examples).join(', ')}: npm run demo -- ${readdirSync(examples)[0]}`)
  await checkPort(name, PORT)
  await install()
  await build()
  // The example's own start script, without npm in between: signals reach it, and its end is ours.
  const [command, ...args] = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).scripts.start.split(' ')
  const child = spawn(command === 'node' ? process.execPath : command, args, { cwd: folder, env: { ...process.env, PORT }, stdio: 'inherit' })
  const release = passSignals(child)
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      // Who asked it to stop has what they wanted.
      resolve(release() === null ? exitCode(code, signal) : code ?? 0)
    })
  })
}

async function checkPort (name, port) {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Complaint(`PORT is a number up to 65535, and not "${port}".`)
  if (await isFree(Number(port))) return
  let other = Number(port) + 1
  while (other < 65_535 && !await isFree(other)) other++
  throw new Complaint(`Port ${port} is taken by another program; choose another one: PORT=${other} npm run demo${name === 'chat' ? '' : ` -- ${name}`}`)
}

/** Whether nobody listens there, on any of the addresses of localhost. */
async function isFree (port) {
  const answers = await Promise.all(['127.0.0.1', '::1'].map(host => new Promise(resolve => {
    const server = createServer()
    // A machine without that address has nobody on it.
    server.once('error', ({ code }) => resolve(code !== 'EADDRINUSE' && code !== 'EACCES'))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })))
  return answers.every(Boolean)
}

if (isMain(import.meta.url)) {
  try {
    process.exitCode = await demo(process.argv[2])
  } catch (error) {
    console.error(explain(error))
    process.exitCode = 1
  }
}
