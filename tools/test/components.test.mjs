// What the tests need beside npm, on machines that are made up: found, installed, or named in a sentence. Touches no real one.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findComponents } from '../components.mjs'

/** A machine with these programs on its PATH, and a workspace that needs Redis too. */
function machineWith (t, programs, rest = {}) {
  const root = t.testdir({ bin: Object.fromEntries(programs.map(name => [name, '#!/bin/sh\n'])), packages: { redis: {} } })
  for (const name of programs) chmodSync(join(root, 'bin', name), 0o755)
  const commands = []
  const machine = {
    root,
    env: { PATH: join(root, 'bin') },
    platform: 'linux',
    isDebian: false,
    uid: 1000,
    run: async (...command) => {
      commands.push(command.slice(0, 2).flat().join(' '))
      return { code: 0, output: '' }
    },
    ...rest
  }
  return { machine, commands, bin: name => join(root, 'bin', name) }
}

t.test('what is on the PATH is found, under any of its names', async t => {
  const { machine, commands, bin } = machineWith(t, ['google-chrome', 'valkey-server'])
  t.strictSame(await findComponents(machine), { CHROMIUM_PATH: bin('google-chrome'), REDIS_SERVER_PATH: bin('valkey-server') })
  t.strictSame(commands, [])
})

t.test('a variable names a program elsewhere; one that leads nowhere is a mistake', async t => {
  const { machine, bin } = machineWith(t, ['chromium', 'mine', 'redis-server'])
  machine.env.CHROMIUM_PATH = bin('mine')
  t.equal((await findComponents(machine)).CHROMIUM_PATH, bin('mine'))
  machine.env.CHROMIUM_PATH = '/nowhere/chromium'
  await t.rejects(findComponents(machine), { message: 'CHROMIUM_PATH says /nowhere/chromium, but there is no program: correct it, or unset it to have Chromium looked for.' })
})

t.test('what is missing is named, each in a sentence with the command that brings it', async t => {
  await t.rejects(findComponents(machineWith(t, [], { isDebian: true }).machine), {
    message: 'Chromium is needed and was not found: install it with `sudo apt-get install -y --no-install-recommends chromium`, or name its program in CHROMIUM_PATH.\n' +
      'Redis is needed and was not found: install it with `sudo apt-get install -y --no-install-recommends redis-server`, or name its program in REDIS_SERVER_PATH.'
  })
  await t.rejects(findComponents(machineWith(t, ['chromium'], { platform: 'darwin' }).machine), { message: /^Redis .*`brew install redis`/ })
  await t.rejects(findComponents(machineWith(t, ['redis-server']).machine), { message: /^Chromium .* with the package manager of this system/ })
})

t.test('root on Debian gets it installed', async t => {
  const { machine, commands, bin } = machineWith(t, ['redis-server'], { isDebian: true, uid: 0 })
  const { run } = machine
  machine.run = async (command, args) => {
    if (args.includes('chromium')) writeFileSync(bin('chromium'), '', { mode: 0o755 })
    return await run(command, args)
  }
  t.strictSame(await findComponents(machine), { REDIS_SERVER_PATH: bin('redis-server'), CHROMIUM_PATH: bin('chromium') })
  t.strictSame(commands, ['apt-get update', 'apt-get install -y --no-install-recommends chromium'])
})

t.test('an installation that fails says what apt said', async t => {
  const { machine } = machineWith(t, ['redis-server'], { isDebian: true, uid: 0, run: async () => ({ code: 100, output: 'E: no such package\n' }) })
  await t.rejects(findComponents(machine), { message: /E: no such package\nChromium is needed/ })
})

t.test('a workspace without the Redis cable needs no Redis', async t => {
  const { machine, bin } = machineWith(t, ['chromium'])
  t.strictSame(await findComponents({ ...machine, root: join(machine.root, 'bin') }), { CHROMIUM_PATH: bin('chromium') })
})
