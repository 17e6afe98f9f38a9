// Installs what the workspace depends on, with the pnpm that package.json pins and exactly as the lockfile says.
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Complaint, explain } from './complaint.mjs'
import { isMain, root, run, seconds } from './run.mjs'

/** Brings node_modules up to date; takes no time when it already is. */
export async function install () {
  const { engines, packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  checkNode(engines.node)
  process.stdout.write('installing dependencies…')
  const [command, ...before] = await findPnpm(packageManager.match(/^pnpm@([^+]+)/)[1])
  const { code, output, ms } = await run(command, [...before, 'install', '--frozen-lockfile'], { env: { CI: 'true' } })
  process.stdout.write(code === 0 ? ` ${seconds(ms)}\n` : '\n')
  if (code !== 0) throw new Complaint(`${output.trimEnd()}\nThe dependencies could not be installed: ${[command, ...before].join(' ')} ended with code ${code}.`)
}

function checkNode (range) {
  const [major, minor = 0] = range.match(/\d+/g).map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  if (ownMajor < major || (ownMajor === major && ownMinor < minor)) throw new Complaint(`Node ${range} is needed; this is ${process.versions.node}.`)
}

async function findPnpm (version) {
  // Asked outside the workspace, where no pnpm turns itself into the pinned one first.
  const { code, output } = await run('pnpm', ['--version'], { cwd: tmpdir() })
  return code === 0 && output.trim() === version ? ['pnpm'] : ['npx', '-y', `pnpm@${version}`]
}

if (isMain(import.meta.url)) {
  await install().catch(error => {
    console.error(explain(error))
    process.exitCode = 1
  })
}
