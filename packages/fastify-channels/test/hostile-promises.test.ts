// SECURITY.md and docs/reliability.md point at tests and commands: whatever they name is there.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap from 'tap'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const plain = (text: string) => text.replaceAll('\\', '')

for (const page of ['SECURITY.md', 'docs/reliability.md']) {
  tap.test(`every test that ${page} names is a test`, async t => {
    const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\[([^\]]+)\]\(([^)#]+\.test\.ts)\)/g)]
    t.ok(links.length > 10)
    for (const [, sentence, path] of links) {
      const file = join(root, dirname(page), path!)
      t.ok(existsSync(file) && plain(readFileSync(file, 'utf8')).includes(sentence!), sentence!)
    }
  })
}

tap.test('every command of docs/reliability.md runs something that is there', async t => {
  const commands = [...readFileSync(join(root, 'docs/reliability.md'), 'utf8').matchAll(/`(?:[A-Z_]+=[^\s`]+ )?(?:pnpm ([^\s`]+)|npx tap ([^\s`]+))[^`]*`/g)]
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  t.ok(commands.length > 5)
  for (const [command, script, file] of commands) t.ok(script === undefined ? existsSync(join(root, file!)) : script in scripts, command)
})
