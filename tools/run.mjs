// Runs a command to its end: streams or keeps what it prints, and says how it ended and how long that took.
import { spawn } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The folder of the workspace. */
export const root = fileURLToPath(new URL('..', import.meta.url))

// npm, npx and pnpm are .cmd files there, and Node starts those through a shell only.
const shell = process.platform === 'win32'

/**
 * Runs a command without a terminal behind it, so nothing can ask anything.
 * With `show`, each line of stdout for which it returns true is printed at once, and stderr as it comes; the output is kept either way.
 * A command that does not exist ends with code 127.
 */
export function run (command, args, { cwd = root, env = {}, show = null } = {}) {
  const start = performance.now()
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: shell && !command.includes('\\')
    })
    const released = passSignals(child)
    let output = ''
    let wanted = null
    child.stdout.setEncoding('utf8').on('data', text => { output += text })
    child.stderr.setEncoding('utf8').on('data', text => {
      output += text
      if (show !== null) process.stderr.write(text)
    })
    if (show !== null) createInterface({ input: child.stdout }).on('line', line => { if (show(line)) process.stdout.write(line + '\n') })
    child.once('error', error => { wanted = error })
    child.once('close', (code, signal) => {
      const interrupted = released()
      if (interrupted !== null) process.exit(exitCode(null, interrupted))
      if (wanted !== null) output += `${wanted.message}\n`
      resolve({ code: wanted === null ? exitCode(code, signal) : 127, output, ms: performance.now() - start })
    })
  })
}

/** Hands SIGINT and SIGTERM on to a child until the returned function is called, which tells the signal that came, if any. */
export function passSignals (child) {
  let received = null
  const pass = signal => {
    received = signal
    // Ctrl-C in a terminal reaches every process of the group by itself: a second one would cut a clean shutdown short.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  process.on('SIGINT', pass).on('SIGTERM', pass)
  return () => {
    process.off('SIGINT', pass).off('SIGTERM', pass)
    return received
  }
}

/** How a shell would number this end of a process. */
export function exitCode (code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0)
}

/** Runs a command that an installed package brings along, with this very Node. */
export function runBin (packageName, bin, args, options) {
  const folder = join(root, 'node_modules', packageName)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return run(process.execPath, [join(folder, manifest.bin[bin]), ...args], options)
}

/** Whether the module of this url is the one Node was started with. */
export function isMain (url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url)
}

/** Milliseconds as a reader wants them. */
export function seconds (ms) {
  return `${(ms / 1000).toFixed(1)}s`
}
