// Runs everything that can be checked on this machine, step by step; its last line alone says how much passed. Skips nothing.
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { build } from './build.mjs'
import { Complaint, explain } from './complaint.mjs'
import { findComponents } from './components.mjs'
import { checkCoverage } from './coverage.mjs'
import { inspectHouse } from './house.mjs'
import { install } from './install.mjs'
import { runBin, seconds } from './run.mjs'

const total = { passed: 0, failed: 0 }
let components = {}

/** Runs one step and prints how it went. One that fails counts as one failure; true when it did not. */
async function step (name, work) {
  const start = performance.now()
  const told = sentence => console.log(`${name}: ${sentence}  ${seconds(performance.now() - start)}`)
  try {
    told(await work() ?? 'ok')
    return true
  } catch (error) {
    console.log(explain(error))
    told('FAILED')
    total.failed++
    return false
  }
}

async function provide () {
  components = await findComponents()
  return Object.entries(components).map(([variable, path]) => `${variable}=${path}`).join(' ')
}

async function house () {
  const faults = await inspectHouse()
  if (faults.length > 0) throw new Complaint(faults.join('\n'))
}

async function tool (packageName, bin, args) {
  const { code, output } = await runBin(packageName, bin, args)
  if (code !== 0) throw new Complaint(output.trimEnd())
}

async function tests () {
  const summary = join(tmpdir(), `tap-summary-${process.pid}.json`)
  const args = ['--reporter=./tools/reporter.mjs', '--coverage-report=json']
  const env = { ...components, TAP_SUMMARY_FILE: summary }
  const { code, output } = await runBin('tap', 'tap', args, { env, show: line => !/^json report: /.test(line) })
  const { passed, failed, skipped, todo } = readSummary(summary, output)
  total.passed += passed
  total.failed += failed
  if (skipped + todo > 0) throw new Complaint(`${skipped} skipped and ${todo} left to do: a test that does not run proves nothing.`)
  if (code !== 0 && failed === 0) throw new Complaint(`tap ended with code ${code}, though no test failed.`)
  return failed === 0 ? 'ok' : 'see above'
}

function readSummary (file, output) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    throw new Complaint(`${output.trimEnd()}\ntap ended without a count of its tests.`)
  } finally {
    rmSync(file, { force: true })
  }
}

if (await step('install', install)) {
  await step('build', build)
  await step('components', provide)
  await Promise.all([
    step('house', house),
    step('lint', () => tool('eslint', 'eslint', ['.'])),
    step('types', () => tool('typescript-native', 'tsc', ['-b']))
  ])
  await step('tests', tests)
  await step('coverage', checkCoverage)
} else {
  console.log('Nothing else can run before the dependencies are there.')
}

const { passed, failed } = total
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
