// How much of the sources the tests ran, from the report that tap leaves: told per package, and held to a floor, file by file.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import process from 'node:process'
import { Complaint, explain } from './complaint.mjs'
import { isMain, root } from './run.mjs'

/** Percent of the lines and branches of each file that must have run. */
const floor = 100
/** The packages that are held to it. */
const held = new Set(['fastify-channels', 'protocol', 'redis', 'turbo'])

/**
 * Lines and branches of a package that a run may miss all the same: which of two processes, or of two ends of a socket, is first
 * is not the tests' to say, and such a branch shows in most runs and not in all. They are told.
 */
const allowance = 6

const measures = ['lines', 'branches', 'functions']
/** Functions are told, and not held to it: some are only there to be overridden. */
const binding = ['lines', 'branches']

/** Prints a line per package; throws a complaint with the lines nobody ran where the floor is missed. */
export async function checkCoverage () {
  const report = join(root, '.tap/report/coverage-final.json')
  if (!existsSync(report)) throw new Complaint('tap left no coverage report.')
  const files = new Map(Object.entries(JSON.parse(readFileSync(report, 'utf8'))).map(([path, file]) => [path, measure(file)]))
  const faults = []
  for (const name of readdirSync(join(root, 'packages')).sort()) {
    const src = join(root, 'packages', name, 'src')
    if (!existsSync(src)) continue
    const own = [...files].filter(([path]) => path.startsWith(src + sep))
    console.log(`  ${name.padEnd(18)}${measures.map(kind => `${kind} ${percent(sum(own.map(([, file]) => file[kind])))}`.padEnd(18)).join('')}`)
    if (!held.has(name)) continue
    const missed = own.flatMap(([path, file]) => judge(path.slice(root.length), file))
    if (own.reduce((count, [, file]) => count + file.missed.length, 0) > allowance) faults.push(...missed)
    else for (const sentence of missed) console.log(`    this time ${sentence}`)
    for (const path of await strangers(src, files)) faults.push(`${path.slice(root.length)}: no test loads it`)
  }
  if (faults.length > 0) throw new Complaint(`${faults.join('\n')}\nThe floor is ${floor} %, and ${allowance} lines and branches of a package may be missed (tools/coverage.mjs).`)
  return `at least ${floor} %`
}

/** Of one file: how many of each measure there are, how many ran, and the lines that did not. */
function measure ({ s, b, f, statementMap, branchMap }) {
  const missed = [
    ...Object.entries(s).filter(([, count]) => count === 0).map(([id]) => statementMap[id].start.line),
    ...Object.entries(b).filter(([, counts]) => counts.includes(0)).map(([id]) => branchMap[id].loc.start.line)
  ]
  return { lines: tally(Object.values(s)), branches: tally(Object.values(b).flat()), functions: tally(Object.values(f)), missed }
}

function tally (counts) {
  return { all: counts.length, run: counts.filter(count => count > 0).length }
}

function sum (tallies) {
  return tallies.reduce((total, { all, run }) => ({ all: total.all + all, run: total.run + run }), { all: 0, run: 0 })
}

function share ({ all, run }) {
  return all === 0 ? 100 : run / all * 100
}

/** Rounded down: 100 is said of all only. */
function percent (tallied) {
  return tallied.all === 0 ? '-' : `${Math.floor(share(tallied) * 10) / 10} %`
}

function judge (path, file) {
  if (binding.every(kind => share(file[kind]) >= floor)) return []
  return [`${path}: ${binding.map(kind => `${kind} ${percent(file[kind])}`).join(', ')}; not run: ${ranges(file.missed)}`]
}

/** Line numbers as a reader wants them: 3–5, 9. */
function ranges (lines) {
  const sorted = [...new Set(lines)].sort((one, other) => one - other)
  const found = []
  for (const line of sorted) {
    const last = found.at(-1)
    if (last !== undefined && line <= last.to + 1) last.to = line
    else found.push({ from: line, to: line })
  }
  return found.map(({ from, to }) => from === to ? from : `${from}–${to}`).join(', ')
}

/** The sources that no test loaded, without those that are types alone: of these nothing is there at run time. */
async function strangers (src, files) {
  const { transform } = await import('esbuild')
  const paths = readdirSync(src, { recursive: true }).map(name => join(src, name)).filter(path => path.endsWith('.ts') && !files.has(path))
  const codes = await Promise.all(paths.map(async path => (await transform(readFileSync(path, 'utf8'), { loader: 'ts', minify: true })).code))
  return paths.filter((_path, index) => codes[index].trim() !== '')
}

if (isMain(import.meta.url)) {
  await checkCoverage().then(console.log, error => {
    console.error(explain(error))
    process.exitCode = 1
  })
}
