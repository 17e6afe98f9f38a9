// What the docs show is true of the code: their blocks compile and keep the style, page scripts bundle, links lead somewhere, no option is left out.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { Plugin } from 'esbuild'
import { ESLint } from 'eslint'
import { defaultLimits } from '../../packages/fastify-channels/src/limits.ts'
import { resolveOptions } from '../../packages/fastify-channels/src/options.ts'
import t from 'tap'
import { blocksOf, layOut, root } from './blocks.ts'

const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`),
  ...readdirSync(join(root, 'packages')).map(name => `packages/${name}/README.md`)].filter(page => existsSync(join(root, page)))
const laidOut = join(root, 'docs/.run/code')
const files = pages.flatMap(page => layOut(page, laidOut))

t.test('every block of the docs with a title compiles', async t => {
  t.ok(files.length > 20, 'there are blocks to look at')
  // The program itself: its launcher does not start under the loaders of tap.
  const compiler = (await import(pathToFileURL(join(root, 'node_modules/typescript-native/lib/getExePath.js')).href)).default()
  const declaresUser = (file: string) => readFileSync(file, 'utf8').includes('interface Register')
  const compile = (name: string, include: string[]) => {
    const project = join(laidOut, name)
    writeFileSync(project, JSON.stringify({
      extends: '../../../tsconfig.test.json',
      compilerOptions: { rootDir: '../../..', incremental: false, checkJs: true, strict: true, noImplicitAny: false, strictNullChecks: true, paths: { '/cable.js': ['../../../packages/client/src/index.ts'] } },
      files: include.map(file => relative(laidOut, file)),
      include: [],
      references: []
    }))
    const { stdout, stderr, status } = spawnSync(compiler, ['-p', project], { cwd: root, encoding: 'utf8' })
    t.not(status, null, stderr)
    // What is wrong in the packages themselves is told by their own check.
    return stdout.split('\n').filter(line => /^(docs\/|error)/.test(line))
  }
  // One block says what an app's user is, and that holds for its whole program: it has one of its own.
  const scripts = files.filter(file => /\.[tj]s$/.test(file))
  t.strictSame(compile('tsconfig.user.json', scripts.filter(declaresUser)), [])
  t.strictSame(compile('tsconfig.json', scripts.filter(file => file.endsWith('.ts') && !declaresUser(file))), [])
})

const client: Plugin = {
  name: 'cable.js',
  setup: ({ onResolve }) => onResolve({ filter: /^\/cable\.js$/ }, () => ({ path: join(root, 'packages/client/src/index.ts') }))
}

t.test('every page script of the docs bundles with the client', async t => {
  const scripts = files.filter(file => file.endsWith('.js') && readFileSync(file, 'utf8').includes("'/cable.js'"))
  t.ok(scripts.length > 3)
  for (const script of scripts) {
    const { warnings } = await build({ entryPoints: [script], bundle: true, write: false, format: 'esm', platform: 'browser', conditions: ['fastify-channels-source'], plugins: [client], logLevel: 'silent' })
    t.strictSame(warnings, [], relative(root, script))
  }
})

t.test('the code of the docs keeps the style of the code', async t => {
  const eslint = new ESLint({ cwd: root, ignore: false, overrideConfig: [{ rules: { 'no-undef': 'off', 'no-new': 'off', '@typescript-eslint/no-unused-vars': 'off', 'no-unused-vars': 'off' } }] })
  for (const { code, title, language } of pages.flatMap(blocksOf)) {
    if (title === null || !/^[jt]s$/.test(language)) continue
    const [result] = await eslint.lintText(code, { filePath: join(root, 'docs', title) })
    t.strictSame(result!.messages.map(({ line, message }) => `${title}:${line} ${message}`), [], title)
  }
})

t.test('every link inside the docs leads somewhere', async t => {
  const anchor = (text: string) => text.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')
  let count = 0
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8').replace(/```[\s\S]*?```/g, '')
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      count++
      const [path, id] = link!.split('#')
      const target = path === '' ? join(root, page) : join(root, dirname(page), path!)
      t.ok(existsSync(target), `${page}: ${link}`)
      if (id === undefined) continue
      const anchors = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading!))
      t.ok(anchors.includes(id), `${page}: ${link}`)
    }
  }
  t.ok(count > 20)
})

t.test('docs/options.md names every option and every limit with its default', async t => {
  const text = readFileSync(join(root, 'docs/options.md'), 'utf8')
  const rows = new Map([...text.matchAll(/^\| `([\w.]+)` \| ([^|]*) \|/gm)].map(([, name, value]) => [name!, value!.trim()]))
  for (const [name, value] of Object.entries(defaultLimits)) {
    t.equal(rows.get(`limits.${name}`), value === Infinity ? 'none' : `\`${value}\``, `limits.${name}`)
  }
  let listed = ''
  t.throws(() => resolveOptions({ nonsense: true } as object), { message: /there are / })
  try { resolveOptions({ nonsense: true } as object) } catch (error) { listed = (error as Error).message }
  const options = listed.replace(/.*there are /, '').split(', ')
  t.ok(options.includes('path') && options.includes('limits'))
  for (const name of options) t.ok(rows.has(name), `the option ${name}`)
  for (const name of rows.keys()) t.ok(name.startsWith('limits.') ? Object.hasOwn(defaultLimits, name.slice(7)) : options.includes(name), `${name} exists`)
})
