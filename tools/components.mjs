// What the tests need and npm cannot bring: found where it is, installed where that is possible, and missed aloud. Skips nothing.
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { Complaint } from './complaint.mjs'
import { root, run } from './run.mjs'

const components = [
  {
    name: 'Chromium',
    variable: 'CHROMIUM_PATH',
    commands: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    debian: 'chromium',
    brew: '--cask chromium',
    isNeeded: () => true
  },
  {
    name: 'Redis',
    variable: 'REDIS_SERVER_PATH',
    commands: ['redis-server', 'valkey-server'],
    debian: 'redis-server',
    brew: 'redis',
    isNeeded: folder => existsSync(join(folder, 'packages/redis'))
  }
]

/**
 * The environment variables that tell the tests where each component is.
 * The machine is a parameter, so that another one can be tried out on this.
 */
export async function findComponents (machine = thisMachine) {
  const found = {}
  const missing = []
  for (const component of components) {
    if (!component.isNeeded(machine.root)) continue
    const path = named(component, machine) ?? onPath(component, machine)
    if (path === null) missing.push(component)
    else found[component.variable] = path
  }
  if (missing.length === 0) return found
  if (!machine.isDebian || machine.uid !== 0) throw new Complaint(missing.map(component => plea(component, machine)).join('\n'))
  return { ...found, ...await installAll(missing, machine) }
}

const thisMachine = {
  root,
  env: process.env,
  platform: process.platform,
  isDebian: existsSync('/etc/debian_version'),
  uid: process.getuid?.() ?? null,
  run
}

/** The path an environment variable gives; one that leads nowhere is a mistake, not a reason to look elsewhere. */
function named ({ name, variable }, { env }) {
  const path = env[variable]
  if (path === undefined || path === '') return null
  if (!isExecutable(path)) throw new Complaint(`${variable} says ${path}, but there is no program: correct it, or unset it to have ${name} looked for.`)
  return path
}

function onPath ({ commands }, { env, platform }) {
  const suffix = platform === 'win32' ? '.exe' : ''
  for (const command of commands) {
    for (const folder of (env.PATH ?? '').split(delimiter)) {
      const path = join(folder, command + suffix)
      if (folder !== '' && isExecutable(path)) return path
    }
  }
  return null
}

function isExecutable (path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

async function installAll (missing, machine) {
  const apt = args => machine.run('apt-get', args, { env: { DEBIAN_FRONTEND: 'noninteractive' } })
  // Its outcome is not looked at: a list that could not be renewed may still be good enough, and the install tells.
  const update = await apt(['update'])
  const found = {}
  for (const component of missing) {
    const { code, output } = await apt(['install', '-y', '--no-install-recommends', component.debian])
    const path = code === 0 ? onPath(component, machine) : null
    if (path === null) throw new Complaint(`${update.code === 0 ? '' : update.output}${output.trimEnd()}\n${plea(component, machine)}`)
    found[component.variable] = path
  }
  return found
}

function plea ({ name, variable, debian, brew }, { isDebian, platform, uid }) {
  const command = isDebian
    ? `${uid === 0 ? '' : 'sudo '}apt-get install -y --no-install-recommends ${debian}`
    : platform === 'darwin' ? `brew install ${brew}` : null
  const how = command === null ? 'install it with the package manager of this system' : `install it with \`${command}\``
  return `${name} is needed and was not found: ${how}, or name its program in ${variable}.`
}
