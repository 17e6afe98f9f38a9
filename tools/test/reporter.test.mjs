// What the reporter makes of TAP: a line per file, failures in full, counts that miss nothing, whatever a file prints in between.
import { text } from 'node:stream/consumers'
import t from 'tap'
import Reporter from '../reporter.mjs'

/** What the reporter prints for these test files, each the lines between its name and its result. */
async function report (files, end = `1..${files.length}`) {
  const reporter = new Reporter()
  const printed = text(reporter)
  reporter.write('TAP version 14\n')
  for (const { name, lines, result } of files) {
    reporter.write(`# Subtest: ${name}\n${lines.map(line => `    ${line}\n`).join('')}${result ?? `ok 1 - ${name} # time=12ms`}\n`)
  }
  reporter.end(`${end}\n`)
  return await printed
}

const good = ['# Subtest: it works', '    ok 1 - yes', '    1..1', 'ok 1 - it works # time=1ms', '1..1']

t.test('a file that passed is one line', async t => {
  t.equal(await report([{ name: 'a.test.ts', lines: good }]), 'ok    a.test.ts  1 test  12ms\ntests: 1 passed, 0 failed, 0 skipped, 0 todo\n')
})

t.test('a failure is told with the names that lead to it, and what tap knows', async t => {
  const lines = ['# Subtest: it works', '    not ok 1 - same', '      ---', '      wanted: 1', '      found: 2', '      ...', '    1..1', 'not ok 1 - it works', '1..1']
  const printed = await report([{ name: 'a.test.ts', lines, result: 'not ok 1 - a.test.ts # time=12ms' }])
  t.match(printed, /FAIL {2}a\.test\.ts {2}1 test {2}12ms\n {2}✗ a\.test\.ts › it works › same\n {6}wanted: 1\n {6}found: 2\n/)
  t.match(printed, /tests: 0 passed, 1 failed/)
})

t.test('a file that crashed failed, though all its tests passed', async t => {
  const printed = await report([{ name: 'a.test.ts', lines: good, result: 'not ok 1 - a.test.ts # time=12ms\n  ---\n  exitCode: 1\n  ...' }])
  t.match(printed, /✗ a\.test\.ts › the file failed\n {6}exitCode: 1/)
  t.match(printed, /tests: 1 passed, 1 failed/)
})

t.test('what a file prints between its lines disturbs no count', async t => {
  const lines = ['{"level":30,"msg":"a log line"}', ...good.slice(0, 2), '  loose talk', ...good.slice(2)]
  t.match(await report([{ name: 'a.test.ts', lines }]), /^ok {4}a\.test\.ts {2}1 test .*\ntests: 1 passed, 0 failed/)
})

t.test('files that never ran, and one that never ended, are failures', async t => {
  const reporter = new Reporter()
  const printed = text(reporter)
  reporter.end(`TAP version 14\n1..3\n# Subtest: a.test.ts\n${good.map(line => `    ${line}\n`).join('')}`)
  t.match(await printed, /FAIL {2}a\.test\.ts/)
  t.match(await printed, /the file did not end/)
  t.match(await printed, /FAIL {2}2 more test files did not run\ntests: 1 passed, 3 failed/)
})

t.test('a skipped test and one left to do are named', async t => {
  const lines = ['ok 1 - later # SKIP no time', 'ok 2 - some day # TODO', '1..2']
  const printed = await report([{ name: 'a.test.ts', lines }])
  t.match(printed, /skip: later \(no time\)\n {6}todo: some day\n/)
  t.match(printed, /tests: 0 passed, 0 failed, 1 skipped, 1 todo/)
})
