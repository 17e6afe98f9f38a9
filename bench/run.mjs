// Runs the benchmark: every workload on every peer, in turn and several times over, then one table with ratios, the raw results as JSON, and a chart.
// node bench/run.mjs [workload …] [--runs 3] [--seconds 4]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chart } from './chart.mjs'
import { measure } from './one.mjs'
import { peers } from './peers.mjs'
import { prepare } from './prepare.mjs'
import { startRedis } from './redis.mjs'
import { figures, workloads } from './workloads.mjs'

const { values: { runs, seconds }, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '3' }, seconds: { type: 'string' } }
})
const wanted = positionals.length > 0 ? positionals : Object.keys(workloads)
for (const name of wanted) {
  if (!Object.hasOwn(workloads, name)) {
    console.error(`there is no workload "${name}"; there are ${Object.keys(workloads).join(', ')}`)
    process.exit(1)
  }
}

const folder = fileURLToPath(new URL('results/', import.meta.url))
mkdirSync(folder, { recursive: true })
await prepare()

const results = {}
for (const name of wanted) results[name] = await runWorkload(workloads[name])
save()

/** All runs of a workload: one of each peer, then the next of each, so that a change of the machine's mood meets all alike. */
async function runWorkload ({ title, peers: names, job, env, isClustered = false, ...rest }) {
  console.log(`\n${title}`)
  const redis = isClustered ? await startRedis() : null
  const raw = Object.fromEntries(names.map(name => [name, []]))
  try {
    for (let run = 1; run <= Number(runs); run++) {
      for (const name of names) {
        process.stdout.write(`\r  run ${run} of ${runs}: ${peers[name].title}…`.padEnd(70))
        const time = seconds !== undefined && job.seconds !== 0 ? { seconds: Number(seconds) } : {}
        raw[name].push(await measure(name, { ...job, ...time }, { env, redis: redis?.url ?? null }))
      }
    }
  } finally {
    redis?.stop()
  }
  process.stdout.write('\r'.padEnd(72) + '\r')
  const medians = Object.fromEntries(names.map(name => [name, Object.fromEntries(rest.figures.map(figure => [figure, median(raw[name].map(result => result[figure]))]))]))
  console.log(table(rest.figures, medians))
  const judged = rest.targets.map(([figure, peer, factor]) => judge(figure, peer, factor, medians))
  for (const { sentence } of judged) console.log(`  ${sentence}`)
  return { title, medians, judged, raw }
}

function median (values) {
  const sorted = values.toSorted?.((a, b) => a - b) ?? [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function table (columns, medians) {
  const ours = medians.channels
  const rows = Object.entries(medians).map(([name, row]) => [
    peers[name].title,
    ...columns.flatMap(figure => [figures[figure].show(row[figure]), name === 'channels' ? '' : `${(ours[figure] / row[figure]).toFixed(2)}×`])
  ])
  const head = ['', ...columns.flatMap(figure => [figures[figure].title, 'ours'])]
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column].length)))
  return [head, ...rows].map(row => '  ' + row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])).join('  ')).join('\n')
}

/** Whether a wanted ratio was reached; without a peer the figure itself is held against a number (kB). */
function judge (figure, peer, factor, medians) {
  const { isRate, title } = figures[figure]
  const value = peer === null ? medians.channels[figure] / 1000 : medians.channels[figure] / medians[peer][figure]
  const isReached = isRate ? value >= factor : value <= factor
  const than = peer === null ? '' : ` × ${peers[peer].title}`
  return { figure, peer, factor, value, isReached, sentence: `${isReached ? 'reached' : 'MISSED '}  ${title}: ${value.toFixed(2)}${than} (wanted: ${isRate ? 'at least' : 'at most'} ${factor})` }
}

function save () {
  const file = `${folder}latest.json`
  let before = {}
  try { before = JSON.parse(readFileSync(file, 'utf8')).results } catch {}
  const whole = {
    measuredAt: new Date().toISOString(),
    machine: { cpu: cpus()[0].model, cores: cpus().length, node: process.version },
    results: { ...before, ...results }
  }
  writeFileSync(file, JSON.stringify(whole, null, 2) + '\n')
  writeFileSync(`${folder}chart.svg`, chart(whole.results))
  console.log('\nraw results: bench/results/latest.json, chart: bench/results/chart.svg')
}
