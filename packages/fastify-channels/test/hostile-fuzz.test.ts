// A short run of the fuzzer and of the soak, as anybody can run them for longer: `pnpm fuzz` and `pnpm soak`.
import { execFile } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import tap from 'tap'
import type { Test } from 'tap'

const root = fileURLToPath(new URL('../../../', import.meta.url))

function run (t: Test, tool: string, ...args: string[]): Promise<{ code: number | null, output: string }> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [`${root}tools/${tool}.mjs`, ...args], { cwd: root }, (_error, stdout, stderr) => resolve({ code: child.exitCode, output: stdout + stderr }))
    t.teardown(() => child.kill())
  })
}

tap.test('twenty thousand random words end nothing, and each answer is one of the protocol', async t => {
  for (const seed of [1, Date.now() % 2 ** 31]) {
    const { code, output } = await run(t, 'fuzz', '--frames', '10000', '--seed', String(seed))
    t.equal(code, 0, output)
    t.match(output, new RegExp(`^seed ${seed}: 10000 frames`), 'the seed is printed')
    t.match(output, /\n0 failures\n/)
  }
})

tap.test('after rounds of connecting, subscribing, broadcasting and cutting lines nothing is left, and memory is where it was', async t => {
  const { code, output } = await run(t, 'soak', '--connections', '60', '--rounds', '12')
  t.equal(code, 0, output)
  t.match(output, /\nround 12: .*\nmemory after round 10: .*\n0 failures\n/)
})
