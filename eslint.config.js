import neostandard, { resolveIgnoresFromGitignore } from 'neostandard'

const browser = neostandard({ env: ['browser'] }).find(({ name }) => name === 'neostandard/globals').languageOptions

export default [
  ...neostandard({ ts: true, noJsx: true, ignores: resolveIgnoresFromGitignore() }),
  { files: ['examples/*/public/**/*.js'], languageOptions: browser },
  // Runs in Bun alone, which brings this name along.
  { files: ['bench/servers/bun.mjs'], languageOptions: { globals: { Bun: 'readonly' } } }
]
