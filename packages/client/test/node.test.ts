// The client outside of browsers: the bundle as it is shipped, in a process of its own, with the socket the runtime brings.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import t from 'tap'
import { ScriptedServer } from './scripted-server.ts'

const folder = await mkdtemp(join(tmpdir(), 'client-'))
t.teardown(() => rm(folder, { recursive: true }))

/** Bundles a client and runs a program that gets it as `client`; tells what it printed. */
async function run (program: string, args: string[] = []): Promise<{ stdout: string, stderr: string }> {
  const file = join(folder, `${Math.random()}.mjs`)
  await writeFile(file, `import * as client from ${JSON.stringify(pathToFileURL(join(folder, 'cable.mjs')).href)}\n${program}`)
  return await promisify(execFile)(process.execPath, [...args, file], { env: { PATH: process.env.PATH } })
}

t.before(() => build({
  entryPoints: [fileURLToPath(new URL('../src/index.ts', import.meta.url))],
  outfile: join(folder, 'cable.mjs'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  conditions: ['fastify-channels-source'],
  logLevel: 'silent'
}))

t.test('importing it does nothing: the process ends, nothing is said, no global is touched', async t => {
  const { stdout, stderr } = await run(`
    const { globals } = globalThis
    console.log(JSON.stringify(Object.keys(client).sort()), globals, typeof customElements, process.getActiveResourcesInfo().filter(name => !/Pipe|TTY/.test(name)).length)
  `)
  t.equal(stdout, '["Cable","CableError","TurboStreamChannelElement","cable","createCable","streamFrom"] undefined undefined 0\n')
  t.equal(stderr, '')
})

t.test("Node's own WebSocket will do", async t => {
  const server = await ScriptedServer.start()
  t.teardown(() => server.close())
  const [major] = process.versions.node.split('.')
  const program = run(`
    const cable = client.createCable({ url: ${JSON.stringify(server.url)}, random: () => 0 })
    const told = []
    const chat = cable.subscribe('ChatChannel', { room: 1 }, {
      connected: async ({ reconnected }) => {
        told.push(['connected', reconnected])
        if (!reconnected) return
        told.push(await chat.perform('speak', { message: 'hi' }))
        console.log(JSON.stringify(told))
        cable.disconnect()
      },
      disconnected: ({ reason }) => told.push(['disconnected', reason]),
      received: data => told.push(['received', data])
    })
  `, Number(major) < 22 ? ['--experimental-websocket', '--no-warnings'] : [])
  const peer = await server.peer()
  t.match(await peer.accept({ streams: { s: 'e.1' } }), { channel: 'ChatChannel', params: { room: 1 } })
  peer.say({ type: 'broadcast', stream: 's', at: 'e.2', data: 'hello' })
  t.same(await peer.rest(), [])
  peer.restart()
  const again = await server.peer()
  t.same((await again.accept({ streams: { s: 'e.2' }, recovered: true })).positions, { s: 'e.2' })
  const { id, data } = await again.next()
  again.say({ type: 'reply', id, status: 'ok', data })
  const { stdout, stderr } = await program
  t.equal(stdout, '[["connected",false],["received","hello"],["disconnected","server_restart"],["connected",true],{"message":"hi"}]\n')
  t.equal(stderr, '')
  t.equal(await again.closed, 1000)
})

t.test('a bundler keeps the element where the package is imported, and leaves Turbo out where the core is', async t => {
  for (const [name, hasElement] of [['@fastify-channels/client', true], ['@fastify-channels/client/core', false]] as const) {
    const { outputFiles } = await build({
      stdin: { contents: `import { cable } from '${name}'\ncable.connect()`, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
      bundle: true,
      write: false,
      format: 'esm',
      conditions: ['fastify-channels-source']
    })
    t.equal(outputFiles[0]!.text.includes('customElements.define('), hasElement, name)
  }
})
