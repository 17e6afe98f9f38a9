import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { ESLint } from 'eslint'
import neostandard from 'neostandard'
import t from 'tap'
import type { Test } from 'tap'
import { connect } from 'fastify-channels/testing'
import { run } from '../src/cli/index.ts'
import { setting } from './setting.ts'

const here = dirname(fileURLToPath(import.meta.url))

/** A folder to work in, and the commands typed there. */
function shell (t: Test, files: { [name: string]: any } = {}) {
  const folder = t.testdir(files)
  const type = (command: string) => {
    const said: string[] = []
    const complaints: string[] = []
    const code = run(command.split(' ').filter(word => word !== ''), { folder, say: line => said.push(line), complain: line => complaints.push(line) })
    return { code, said, complaint: complaints.join('\n') }
  }
  return { folder, type, read: (file: string) => readFileSync(join(folder, file), 'utf8'), list: () => readdirSync(folder, { recursive: true }).filter(name => String(name).endsWith('.ts')).sort() }
}

/** Runs a program the way a shell does: without what the test runner put around this one. */
function program (folder: string, file: string, ...words: string[]) {
  return spawnSync(process.execPath, [file, ...words], { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
}

/** What the compiler has to say about a folder, a line each. */
function compile (folder: string): string[] {
  // Not its bin/tsc: beside the test runner's hooks, Node 20 loads no program without an ending.
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript-native/package.json')), 'lib/tsc.js')
  const { stdout, stderr } = program(folder, tsc, '-p', '.', '--pretty', 'false')
  return `${stdout}${stderr}`.split('\n').filter(line => /^\S/.test(line))
}

function imported (folder: string, file: string): Promise<any> {
  return import(pathToFileURL(join(folder, file)).href)
}

t.test('init makes three files and says what to write next', async t => {
  const { type, list } = shell(t)
  const { code, said, complaint } = type('init')
  t.equal(code, 0)
  t.equal(complaint, '')
  t.same(said.slice(0, 3), ['created  channels/app-channel.ts', 'created  channels/index.ts', 'created  config/channels.ts'])
  t.match(said[3], /await app\.register\(channels, config\)/)
  t.same(list(), ['channels/app-channel.ts', 'channels/index.ts', 'config/channels.ts'])
})

t.test('g channel makes a channel and adds it to the map', async t => {
  const { type, read } = shell(t)
  type('init')
  const { code, said } = type('g channel Chat')
  t.equal(code, 0)
  t.same(said.slice(0, 2), ['created  channels/chat-channel.ts', 'changed  channels/index.ts'])
  t.match(said[2], /cable\.subscribe\('ChatChannel', \{ room: 'general' \}/)
  t.equal(type('generate channel Inbox').code, 0)
  t.match(read('channels/chat-channel.ts'), /export class ChatChannel extends AppChannel[^]*static override actions = \{\n {4}speak:/)
  t.match(read('channels/index.ts'), `
import { ChatChannel } from './chat-channel.ts'
import { InboxChannel } from './inbox-channel.ts'

export const channels = {
  ChatChannel,
  InboxChannel
}
`)
})

t.test('whatever is run twice overwrites nothing and says so', async t => {
  const { type, read, folder } = shell(t)
  type('init')
  type('g channel Chat')
  for (const file of ['channels/app-channel.ts', 'config/channels.ts', 'channels/chat-channel.ts']) writeFileSync(join(folder, file), '// mine\n')
  const roster = read('channels/index.ts')
  t.same(type('init').said.slice(0, 3), ['exists   channels/app-channel.ts', 'exists   channels/index.ts', 'exists   config/channels.ts'])
  t.same(type('g channel Chat').said.slice(0, 2), ['exists   channels/chat-channel.ts', 'exists   ChatChannel in channels/index.ts'])
  for (const file of ['channels/app-channel.ts', 'config/channels.ts', 'channels/chat-channel.ts']) t.equal(read(file), '// mine\n', file)
  t.equal(read('channels/index.ts'), roster)
})

t.test('a channel is called the same however its name is typed', async t => {
  const names: { [typed: string]: [string, string, string] } = {
    Chat: ['ChatChannel', 'chat-channel', 'chat'],
    ChatChannel: ['ChatChannel', 'chat-channel', 'chat'],
    chat: ['ChatChannel', 'chat-channel', 'chat'],
    chat_room: ['ChatRoomChannel', 'chat-room-channel', 'chat_room'],
    'chat-room': ['ChatRoomChannel', 'chat-room-channel', 'chat_room'],
    ChatRoom: ['ChatRoomChannel', 'chat-room-channel', 'chat_room'],
    chat_room_channel: ['ChatRoomChannel', 'chat-room-channel', 'chat_room'],
    HTMLPage: ['HTMLPageChannel', 'html-page-channel', 'html_page'],
    Room2: ['Room2Channel', 'room2-channel', 'room2'],
    AppStatus: ['AppStatusChannel', 'app-status-channel', 'app_status']
  }
  for (const [typed, [className, file, stream]] of Object.entries(names)) {
    const { type, read } = shell(t)
    type('init')
    t.equal(type(`g channel ${typed}`).code, 0, typed)
    const text = read(`channels/${file}.ts`)
    t.match(text, `export class ${className} extends`, typed)
    t.match(text, `\`${stream}_\${this.params.room}\``, typed)
    t.match(read('channels/index.ts'), `import { ${className} } from './${file}.ts'`, typed)
  }
})

t.test('what is no name makes nothing', async t => {
  const { type, list } = shell(t)
  type('init')
  const before = list()
  for (const name of ['2x', '_Chat', 'Chat!', '../Chat', 'Chat/Room', 'é', 'x'.repeat(101), '__proto__', 'Channel', 'channel', 'App', 'AppChannel', 'app_channel']) {
    const { code, said, complaint } = type(`g channel ${name}`)
    t.equal(code, 1, name)
    t.same(said, [], name)
    t.match(complaint, /^("|AppChannel).*like Chat/, name)
  }
  t.same(list(), before)
})

t.test('a command nobody knows is answered with those there are', async t => {
  const { type, list } = shell(t)
  for (const command of ['', 'start', 'init again', 'constructor', '--nope', 'init --force']) {
    const { code, said, complaint } = type(command)
    t.equal(code, 1, command)
    t.same(said, [], command)
    t.match(complaint, /npx fastify-channels <command>/, command)
  }
  for (const command of ['g', 'g chat', 'g model Chat', 'generate channel', 'g channel Chat Room']) {
    const { code, complaint } = type(command)
    t.equal(code, 1, command)
    t.match(complaint, /npx fastify-channels (g|generate) channel Chat$/, command)
  }
  t.same(list(), [])
})

t.test('help is no mistake', async t => {
  const { type, list } = shell(t)
  for (const command of ['--help', '-h', 'init --help', 'g channel --help']) {
    const { code, said, complaint } = type(command)
    t.equal(code, 0, command)
    t.equal(complaint, '', command)
    t.match(said.join('\n'), /init[^]*g channel <Name>[^]*overwrite nothing/, command)
  }
  t.same(list(), [])
})

t.test('a channel is not generated where nothing was initialised', async t => {
  const { type, list } = shell(t)
  t.match(type('g channel Chat'), { code: 1, complaint: 'There is no channels/index.ts here. In the folder of your app, run this first: npx fastify-channels init' })
  t.same(list(), [])
  const half = shell(t, { channels: { 'index.ts': 'export const channels = {}\n' } })
  t.match(half.type('g channel Chat'), { code: 1, complaint: /^There is no channels\/app-channel\.ts here/ })
})

t.test('a map that cannot be read is left to its owner, and nothing is made', async t => {
  const { type, read, list } = shell(t, { channels: { 'app-channel.ts': '', 'index.ts': 'export default makeChannels()\n' } })
  const { code, complaint } = type('g channel Chat')
  t.equal(code, 1)
  t.match(complaint, "import { ChatChannel } from './chat-channel.ts'")
  t.same(list(), ['channels/app-channel.ts', 'channels/index.ts'])
  t.equal(read('channels/index.ts'), 'export default makeChannels()\n')
})

t.test('a file that cannot be written is named in one sentence', async t => {
  const { type } = shell(t, { channels: 'a file where the folder should be' })
  const { code, complaint } = type('init')
  t.equal(code, 1)
  t.match(complaint, /^E[A-Z]+: .*channels/)
  t.notMatch(complaint, '\n')
})

t.test('a bug of ours shows where it is', async t => {
  const complaints: string[] = []
  const code = run(['init'], { folder: t.testdir(), say: () => { throw new TypeError('broken pipe') }, complain: line => complaints.push(line) })
  t.equal(code, 1)
  t.match(complaints[0], /TypeError: broken pipe\n {4}at /)
})

t.test('the map keeps every other word of its owner', async t => {
  const maps: Array<[string, string, string]> = [
    ['on one line', "import { A } from './a.ts'\nexport const channels = { A }\n", "import { A } from './a.ts'\nimport { ChatChannel } from './chat-channel.ts'\n\nexport const channels = { A, ChatChannel }\n"],
    ['empty', 'export const channels = {}\n', "import { ChatChannel } from './chat-channel.ts'\n\nexport const channels = {\n  ChatChannel\n}\n"],
    ['a comma at the end', '// Mine.\n\nexport const channels = {\n  A,\n}\n', "// Mine.\nimport { ChatChannel } from './chat-channel.ts'\n\nexport const channels = {\n  A,\n  ChatChannel\n}\n"],
    ['a comment at the end', 'export const channels = {\n  A // the first\n}\n', "import { ChatChannel } from './chat-channel.ts'\n\nexport const channels = {\n  ChatChannel,\n  A // the first\n}\n"],
    ['nothing but a comment', 'export const channels = { // none yet\n}\n', "import { ChatChannel } from './chat-channel.ts'\n\nexport const channels = {\n  ChatChannel, // none yet\n}\n"],
    ['names of its own', '/** All. */\nexport const channels = {\n  chat: A\n} satisfies Map\n\nexport const more = {}\n', "import { ChatChannel } from './chat-channel.ts'\n\n/** All. */\nexport const channels = {\n  chat: A,\n  ChatChannel\n} satisfies Map\n\nexport const more = {}\n"],
    ['imports over several lines', "import {\n  A,\n  B\n} from './a.ts'\nimport './side.ts'\n\nexport const channels: Channels = { A, B }\n", "import {\n  A,\n  B\n} from './a.ts'\nimport './side.ts'\nimport { ChatChannel } from './chat-channel.ts'\n\nexport const channels: Channels = { A, B, ChatChannel }\n"]
  ]
  for (const [name, before, after] of maps) {
    const { type, read } = shell(t, { channels: { 'app-channel.ts': '', 'index.ts': before } })
    t.equal(type('g channel Chat').code, 0, name)
    t.equal(read('channels/index.ts'), after, name)
  }
})

t.test('a map that names the channel already is left as it is', async t => {
  const text = 'export const channels = {\n  chat: ChatChannel\n}\n'
  const { type, read } = shell(t, { channels: { 'app-channel.ts': '', 'index.ts': text } })
  t.same(type('g channel Chat').said.slice(0, 2), ['created  channels/chat-channel.ts', 'exists   ChatChannel in channels/index.ts'])
  t.equal(read('channels/index.ts'), text)
})

t.test('imports end the way the app\'s compiler wants them', async t => {
  const cases: Array<[string, 'ts' | 'js', { [file: string]: string }]> = [
    ['no compiler', 'ts', {}],
    ['a compiler that says nothing', 'js', { 'tsconfig.json': '{ "compilerOptions": { "strict": true } }' }],
    ['allowed', 'ts', { 'tsconfig.json': '{ "compilerOptions": { "allowImportingTsExtensions": true } }' }],
    ['not allowed', 'js', { 'tsconfig.json': '{ "compilerOptions": { "allowImportingTsExtensions": false } }' }],
    ['rewritten', 'ts', { 'tsconfig.json': '// mine\n{ "compilerOptions": { "rewriteRelativeImportExtensions" : true, } }' }],
    ['inherited', 'ts', { 'tsconfig.json': '{ "extends": "./base" }', 'base.json': '{ "compilerOptions": { "allowImportingTsExtensions": true } }' }],
    ['inherited from a package', 'js', { 'tsconfig.json': '{ "extends": "@tsconfig/node20" }' }],
    ['inherited from nowhere', 'js', { 'tsconfig.json': '{ "extends": "./gone.json" }' }],
    ['inherited from itself', 'js', { 'tsconfig.json': '{ "extends": "./tsconfig.json" }' }]
  ]
  for (const [name, ending, files] of cases) {
    const { type, read } = shell(t, files)
    t.match(type('init').said[3], `./config/channels.${ending}'`, name)
    type('g channel Chat')
    t.match(read('config/channels.ts'), `'../channels/index.${ending}'`, name)
    t.match(read('channels/index.ts'), `'./chat-channel.${ending}'`, name)
    t.match(read('channels/chat-channel.ts'), `'./app-channel.${ending}'`, name)
  }
})

t.test('what is generated passes the strictest compiler and the linter', async t => {
  for (const options of [{ allowImportingTsExtensions: true }, {}]) {
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2023',
      module: 'nodenext',
      types: ['node'],
      skipLibCheck: true,
      customConditions: ['fastify-channels-source'],
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noImplicitOverride: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      ...options
    }
    const { folder, type, list } = shell(t, { 'package.json': '{ "type": "module" }', 'tsconfig.json': JSON.stringify({ compilerOptions }) })
    for (const command of ['init', 'g channel Chat', 'g channel html_page']) t.equal(type(command).code, 0, command)
    writeFileSync(join(folder, 'app.ts'), `import Fastify from 'fastify'
import channels from 'fastify-channels'
import { config } from './config/channels.${options.allowImportingTsExtensions ? 'ts' : 'js'}'

const app = Fastify()
await app.register(channels, config)
`)
    // The sources of this package keep to its own, longer list of rules; here only what was generated is looked at.
    const faults = compile(folder).filter(line => !line.startsWith('../'))
    t.same(faults, [], `compiles with ${JSON.stringify(options)}`)

    const eslint = new ESLint({ cwd: folder, overrideConfigFile: true, overrideConfig: neostandard({ ts: true, noJsx: true }) as any, ignore: false })
    const results = await eslint.lintFiles(list().map(String))
    t.equal(results.length, 6)
    t.same(results.flatMap(({ filePath, messages }) => messages.map(({ line, message }) => `${filePath}:${line} ${message}`)), [], 'lints')
  }
})

t.test('what is generated runs: a client subscribes, speaks and hears', async t => {
  const { folder, type } = shell(t, { 'package.json': '{ "type": "module" }' })
  for (const command of ['init', 'g channel Chat', 'g channel html_page']) type(command)
  const { config } = await imported(folder, 'config/channels.ts')
  const { app } = await setting(t, { ...config, client: false })
  const ws = await connect(app)
  t.same(await ws.subscribe('ChatChannel', { room: 'general' }), { type: 'confirm_subscription', channel: 'ChatChannel', params: { room: 'general' } })
  t.match(await ws.subscribe('ChatChannel', {}), { type: 'reject_subscription', reason: 'invalid_params' })
  t.match(await ws.subscribe('HtmlPageChannel', { room: 'general' }), { type: 'confirm_subscription' })
  t.match(await ws.perform('ChatChannel', 'speak', {}, { room: 'general' }), { status: 'error', reason: 'invalid_data' })
  t.match(await ws.perform('ChatChannel', 'speak', { message: 'hi' }, { room: 'general' }), { status: 'ok' })
  t.same(await ws.receive(), { type: 'message', channel: 'ChatChannel', params: { room: 'general' }, data: { message: 'hi' } })
  // Both rooms are called the same, and neither hears the other: the next to arrive is what the second one said.
  t.match(await ws.perform('HtmlPageChannel', 'speak', { message: 'there' }, { room: 'general' }), { status: 'ok' })
  t.match(await ws.receive(), { channel: 'HtmlPageChannel', data: { message: 'there' } })
})

t.test('the command of the package does all that in a shell', async t => {
  // The program as it is published, with this very CLI in the place of the compiled one.
  const folder = t.testdir({ app: {}, bin: {}, 'package.json': '{ "type": "module" }' })
  const bin = join(folder, 'bin/fastify-channels.js')
  copyFileSync(join(here, '../bin/fastify-channels.js'), bin)
  mkdirSync(join(folder, 'dist'))
  await build({ entryPoints: [join(here, '../src/cli/index.ts')], outfile: join(folder, 'dist/cli/index.js'), bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' })
  const type = (...words: string[]) => {
    const { status, stdout, stderr } = program(join(folder, 'app'), bin, ...words)
    return { status, stdout, stderr }
  }
  t.match(type('init'), { status: 0, stdout: /^created {2}channels\/app-channel\.ts\n/, stderr: '' })
  t.match(type('g', 'channel', 'Chat'), { status: 0, stdout: /^created {2}channels\/chat-channel\.ts\n/, stderr: '' })
  t.match(type('g', 'channel', '1'), { status: 1, stdout: '', stderr: /^"1" cannot name a channel/ })
  t.match(readFileSync(join(folder, 'app/channels/index.ts'), 'utf8'), 'ChatChannel')
  const { bin: published, files } = JSON.parse(readFileSync(join(here, '../package.json'), 'utf8'))
  t.same(published, { 'fastify-channels': './bin/fastify-channels.js' })
  t.ok(files.includes('bin'))
})
