// The demo command where it cannot start: one sentence each, and nothing installed or built before it.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import { root, run } from '../run.mjs'

const demo = (args, env) => run(process.execPath, [join(root, 'tools/demo.mjs'), ...args], { env })

t.test('a busy port is told in one sentence, with another one that is free', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  const { code, output } = await demo([], { PORT: String(port) })
  server.close()
  t.equal(code, 1)
  t.match(output, new RegExp(`^Port ${port} is taken by another program; choose another one: PORT=(\\d+) npm run demo\n$`))
})

t.test('an example that does not exist is told, with those that do', async t => {
  const { code, output } = await demo(['../packages'], {})
  t.equal(code, 1)
  t.match(output, /^There is no example "\.\.\/packages"; there are .*chat.*: npm run demo -- \S+\n$/)
})

t.test('a port that is none is told', async t => {
  const { code, output } = await demo([], { PORT: 'http' })
  t.equal(code, 1)
  t.equal(output, 'PORT is a number up to 65535, and not "http".\n')
})
