// Builds every package: bundles the browser client into the one file a server hands out, and compiles the sources.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { gzipSync } from 'node:zlib'
import { Complaint, explain } from './complaint.mjs'
import { install } from './install.mjs'
import { isMain, root, runBin, seconds } from './run.mjs'

const client = join(root, 'packages/client')

/** Bundles and compiles what is installed; prints a line for each. The bundle first: it is there even where something does not compile. */
export async function build () {
  console.log(await bundleClient())
  console.log(`compiled the packages in ${seconds(await compile())}`)
}

/** Compiles all that has a tsconfig.json under packages/, and tells how many milliseconds it took. */
async function compile () {
  const folders = readdirSync(join(root, 'packages'))
    .map(name => `packages/${name}`)
    .filter(folder => existsSync(join(root, folder, 'tsconfig.json')))
  const { code, output, ms } = await runBin('typescript-native', 'tsc', ['-b', ...folders])
  if (code !== 0) throw new Complaint(`${output.trimEnd()}\nThe packages do not compile.`)
  return ms
}

/** Writes packages/client/dist/cable.js and returns a sentence with its size. Needs nothing compiled. */
export async function bundleClient () {
  const target = join(client, 'dist/cable.js')
  const contents = await bundle('src/index.ts')
  const size = weigh(gzipped(await bundle('src/core.ts')), gzipped(contents))
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, contents)
  return `packages/client/dist/cable.js: ${contents.length} bytes, ${size}`
}

async function bundle (source) {
  const entry = join(client, source)
  if (!existsSync(entry)) throw new Complaint(`packages/client/${source} does not exist: there is no client to bundle.`)
  const { name, version } = readJson('package.json')
  // Imported here: this module has to load before anything is installed.
  const esbuild = await import('esbuild')
  const { outputFiles: [{ contents }], metafile } = await esbuild.build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    conditions: ['fastify-channels-source'],
    banner: { js: `/*! ${name} ${version} */` },
    logLevel: 'silent'
  }).catch(error => { throw new Complaint(`The client cannot be bundled: ${error.message}`) })
  const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  if (left.length > 0) throw new Complaint(`The bundle of the client still imports ${left.join(', ')}; a browser cannot resolve that.`)
  return contents
}

/** What the client weighs alone, and what the element for Turbo adds; a complaint where one of them is over its limit. */
function weigh (core, all) {
  const limits = readJson('size-limit.json')
  const size = `${all} gzipped: ${core} of ${limits.core} allowed, and ${all - core} of ${limits.turbo} for Turbo`
  if (core > limits.core || all - core > limits.turbo) throw new Complaint(`packages/client/dist/cable.js would be ${size} (packages/client/size-limit.json).`)
  return size
}

function gzipped (contents) {
  return gzipSync(contents, { level: 9 }).length
}

function readJson (file) {
  return JSON.parse(readFileSync(join(client, file), 'utf8'))
}

if (isMain(import.meta.url)) {
  await install().then(build).catch(error => {
    console.error(explain(error))
    process.exitCode = 1
  })
}
