// What has to be there before anything is measured: the built packages, the peers, and a load generator that is right. Measures nothing.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))

function run (command, args, cwd) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, CI: 'true' } })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`)
}

export async function prepare () {
  process.stdout.write('building…')
  run(process.execPath, ['tools/build.mjs'], fileURLToPath(new URL('..', import.meta.url)))
  if (!existsSync(`${here}node_modules`)) {
    process.stdout.write(' installing the peers…')
    run('npx', ['-y', 'pnpm@12.21.0', 'install', '--frozen-lockfile'], here)
  }
  process.stdout.write(' checking the load generator…')
  const { checkLoad } = await import('./check.mjs')
  await checkLoad()
  process.stdout.write(' ready\n')
}
