// The tap reporter: a line for each test file as soon as it ends, every failure in full, and the counts as JSON for whoever started tap.
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { Transform } from 'node:stream'
import { Parser } from 'tap-parser'
import { describe } from './diagnosis.mjs'

export default class Reporter extends Transform {
  #counts = { passed: 0, failed: 0, skipped: 0, todo: 0 }
  #file = null
  #parser = new Parser()

  constructor () {
    super()
    this.#parser.on('child', child => {
      this.#file = newFile(child.name)
      watch(child, [], this.#file)
    })
    this.#parser.on('assert', point => this.#finish(point))
    this.#parser.on('extra', text => this.#file?.output.push(text))
    this.#parser.on('bailout', reason => {
      this.#file ??= newFile('the run')
      this.#file.failures.push(describe([this.#file.name, `Bail out! ${reason}`]))
    })
  }

  _transform (chunk, encoding, done) {
    this.#parser.write(chunk)
    done()
  }

  _flush (done) {
    this.#parser.end()
    const { plan, count } = this.#parser.results
    const unheard = Math.max(0, (plan.end ?? 0) - count) - (this.#file === null ? 0 : 1)
    if (this.#file !== null) this.#finish({ ok: false, name: this.#file.name, diag: { message: 'the file did not end' } })
    if (unheard > 0) {
      this.#counts.failed += unheard
      this.push(`FAIL  ${unheard} more test ${unheard === 1 ? 'file' : 'files'} did not run\n`)
    }
    const { passed, failed, skipped, todo } = this.#counts
    this.push(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped, ${todo} todo\n`)
    if (process.env.TAP_SUMMARY_FILE) writeFileSync(process.env.TAP_SUMMARY_FILE, JSON.stringify(this.#counts))
    done()
  }

  #finish (point) {
    // A point without a file before it is the runner's own; its name is all there is.
    const file = this.#file ?? newFile(point.name)
    this.#file = null
    judge(file, point)
    const { passed, failed } = file.counts
    const time = Math.round(point.time ?? file.time ?? 0)
    this.push(`${failed > 0 ? 'FAIL' : 'ok  '}  ${file.name}  ${passed + failed} ${passed + failed === 1 ? 'test' : 'tests'}  ${time}ms\n`)
    for (const line of file.notes) this.push(line)
    for (const failure of file.failures) this.push(failure)
    if (failed > 0 && file.output.length > 0) this.push(file.output.join('').replace(/^(?=.)/gm, '      | '))
    for (const key of Object.keys(this.#counts)) this.#counts[key] += file.counts[key]
  }
}

function newFile (name) {
  return { name, counts: { passed: 0, failed: 0, skipped: 0, todo: 0 }, notes: [], failures: [], output: [], fallen: new Set(), time: null }
}

/** Follows one level of a file. The tests of the first level are the ones that count; failures are told from the innermost level. */
function watch (parser, path, file) {
  let inner = null
  parser.on('child', child => {
    inner = { name: child.name, failures: file.failures.length }
    watch(child, [...path, child.name], file)
  })
  parser.on('comment', comment => {
    const time = path.length === 0 && comment.match(/^# time=([\d.]+)ms/)
    if (time) file.time = Number(time[1])
  })
  parser.on('assert', point => {
    const isInner = inner !== null && inner.name === point.name
    const isTold = isInner && file.failures.length > inner.failures
    inner = null
    take(point, path, file, isInner, isTold)
  })
  parser.on('complete', ({ failures }) => {
    for (const { tapError, ...rest } of failures) if (tapError) file.failures.push(describe([file.name, ...path, tapError], rest))
  })
}

function take (point, path, file, isInner, isTold) {
  const isTest = path.length === 0
  if (point.skip || point.todo) {
    const kind = point.skip ? 'skip' : 'todo'
    const reason = point.skip || point.todo
    file.counts[point.skip ? 'skipped' : 'todo']++
    file.notes.push(`      ${kind}: ${[...path, point.name].join(' › ')}${reason === true ? '' : ` (${reason})`}\n`)
  } else if (point.ok) {
    if (isTest) file.counts.passed++
  } else {
    // After a rejection that nobody handled, tap says once more, at the end of the file, that the test failed.
    if (isTest && !isInner && point.time && file.fallen.has(point.name)) return
    if (isTest) file.counts.failed++
    if (isTest && isInner) file.fallen.add(point.name)
    if (!isTold) file.failures.push(describe([file.name, ...path, point.name], point.diag))
  }
}

/** Settles a file by its own end: one that crashed, was killed or ran out of time failed, whatever its tests said before. */
function judge (file, point) {
  const isEmpty = point.skip === 'no tests found'
  if (point.ok && !isEmpty) {
    if (point.skip) {
      file.counts.skipped++
      file.notes.push(`      skip: the whole file (${point.skip})\n`)
    }
    return
  }
  const { signal, expired } = point.diag ?? {}
  if (isEmpty) file.failures.push(describe([file.name, 'no tests found']))
  else if (file.counts.failed === 0 || signal || expired) file.failures.push(describe([file.name, expired ? 'timeout!' : 'the file failed'], point.diag))
  if (file.counts.failed === 0) file.counts.failed = 1
}
