// The law of the house, broken on purpose in a folder of its own: each fault is told, and nothing else is.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { inspectHouse } from '../house.mjs'

const opening = '// One thing, said in a sentence.\n'
const free = { neighbours: [], hasNode: true, hasConsole: false }

/** What the inspection says of one package called `yard` with these files in src. */
async function inspect (t, files, law = free, manifest = {}) {
  const folder = t.testdir({})
  for (const [name, text] of Object.entries({ 'package.json': JSON.stringify({ name: 'yard', ...manifest }), ...files })) {
    const path = join(folder, 'yard', name === 'package.json' ? name : join('src', name))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  return await inspectHouse(folder, law === null ? new Map() : new Map([['yard', law]]))
}

t.test('a package in order has no faults', async t => {
  const files = {
    'a.ts': `${opening}import type { B } from './b.ts'\nimport fs from 'node:fs'\nimport fastify from 'fastify'\nexport const a: B | typeof fs | typeof fastify = 1\n`,
    'b.ts': `${opening}// console.log is for pages\nexport type B = number\nexport const text = "import { x } from 'nowhere'"\n`
  }
  t.strictSame(await inspect(t, files, { ...free, floors: [['roof', 'a'], ['cellar', 'b']] }, { peerDependencies: { fastify: '5' } }), [])
})

t.test('the packages of this workspace are all known to the law', async t => {
  const faults = await inspectHouse()
  t.strictSame(faults.filter(fault => /put it into tools/.test(fault)), [])
})

t.test('an import that looks up is a fault, of a type too', async t => {
  const files = { 'a.ts': opening + 'export type A = 1\n', 'b.ts': `${opening}import type { A } from './a.ts'\nexport type B = A\n` }
  t.strictSame(await inspect(t, files, { ...free, floors: [['roof', 'a'], ['cellar', 'b']] }),
    ['packages/yard/src/b.ts (cellar): imports a (roof), and imports only look down'])
})

t.test('a file on no floor, and a floor without its file, are faults', async t => {
  t.strictSame(await inspect(t, { 'new.ts': opening }, { ...free, floors: [['roof', 'old']] }), [
    'packages/yard/src/old.ts is not there any more: take it off its floor in tools/house.mjs',
    'packages/yard/src/new.ts: put it on a floor in tools/house.mjs'
  ])
})

t.test('a circle is a fault, however long', async t => {
  const files = Object.fromEntries([['a', 'b'], ['b', 'c'], ['c', 'a']].map(([own, other]) => [`${own}.ts`, `${opening}export * from './${other}.ts'\n`]))
  t.strictSame(await inspect(t, files), ['packages/yard/src: a circle of imports: a → b → c → a'])
})

t.test('a package imports what its law and its manifest name, and nothing else', async t => {
  const text = `${opening}import 'fastify-channels'\nimport type {} from '@fastify-channels/protocol'\nimport 'ws'\nimport 'fs'\nexport type X = import('fastify-channels/testing').X\n`
  const manifest = { dependencies: { 'fastify-channels': '1', '@fastify-channels/protocol': '1' } }
  t.strictSame(await inspect(t, { 'a.ts': text }, { ...free, neighbours: ['fastify-channels'] }, manifest), [
    'packages/yard/src/a.ts: imports @fastify-channels/protocol, and yard may import fastify-channels',
    'packages/yard/src/a.ts: imports ws, which is not in the dependencies of yard',
    'packages/yard/src/a.ts: imports fs: write node:fs',
    'packages/yard/src/a.ts: imports fastify-channels/testing, and yard may import fastify-channels'
  ])
})

t.test('what runs in a browser imports nothing of Node', async t => {
  t.strictSame(await inspect(t, { 'a.ts': `${opening}import 'node:fs'\n` }, { ...free, hasNode: false }),
    ['packages/yard/src/a.ts: imports node:fs, but the package also runs where there is no Node'])
})

t.test('an import leads to a file of the same src', async t => {
  t.strictSame(await inspect(t, { 'a.ts': `${opening}import '../other/b.ts'\n` }), ["packages/yard/src/a.ts: imports ../other/b, which is not in this package's src"])
})

t.test('a file opens with a sentence, stays short, keeps quiet and has a name', async t => {
  const files = {
    'first.ts': 'export {}\n',
    'long.ts': opening + 'export {}\n'.repeat(200),
    'loud.ts': `${opening}console.log('hello')\n`,
    'http-utils.ts': opening
  }
  t.strictSame(await inspect(t, files), [
    'packages/yard/src/first.ts: its first line is no comment with a sentence that says what it is',
    'packages/yard/src/http-utils.ts: "utils" names nothing: a file is called by the one thing that is in it',
    'packages/yard/src/long.ts: 201 lines, and 200 are allowed: it is more than one thing',
    'packages/yard/src/loud.ts: line 2 speaks with console; a server speaks with app.log'
  ])
  t.strictSame(await inspect(t, { 'loud.ts': files['loud.ts'] }, { ...free, hasConsole: true }), [])
})

t.test('a package without a law is a fault', async t => {
  t.strictSame(await inspect(t, {}, null), [])
  t.strictSame(await inspect(t, { 'a.ts': opening }, null), ['packages/yard: put it into tools/house.mjs, with what it may import'])
})
