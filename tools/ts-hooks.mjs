// The module hook behind ts.mjs: one file in, the same file without its types out.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'

const typescript = /\.ts(?:\?|$)/

export async function load (url, context, next) {
  if (!typescript.test(url) || url.includes('/node_modules/')) return next(url, context)
  const file = fileURLToPath(url)
  const { code } = await transform(await readFile(file, 'utf8'), {
    loader: 'ts', format: 'esm', target: 'es2023', sourcemap: 'inline', sourcefile: file, sourcesContent: true
  })
  return { format: 'module', shortCircuit: true, source: code }
}
