// The law of the house (DESIGN §5), as a check over the sources: who may import whom, and how a file looks. Changes nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { explain } from './complaint.mjs'
import { isMain, root } from './run.mjs'

/**
 * The floors of the server, from the roof down: a file imports only from what stands after it, types counted.
 * plugin → session · connection → subscription → channel · registry → cable → streams → backend · history → limits · errors
 * Streams stand on the backend, and not under it as DESIGN lists them: what a stream delivers is the port's Broadcast.
 */
const floors = [
  ['the command line', 'cli/index', 'cli/init', 'cli/generate-channel', 'cli/project', 'cli/roster', 'cli/templates', 'cli/channel-name', 'cli/complaint'],
  ['the roof', 'index', 'testing/index', 'testing/backend', 'testing/backend-order', 'testing/backend-history', 'testing/backend-listening', 'testing/backend-check', 'testing/backend-process', 'testing/connect', 'testing/inbox'],
  ['plugin', 'plugin', 'reply', 'endpoint', 'visitors', 'websocket', 'options', 'origin', 'host', 'asset', 'handshakes', 'session-watch', 'connections', 'heartbeat'],
  ['session · connection', 'connection', 'intake', 'outlet', 'socket', 'session', 'turns'],
  ['subscription', 'subscriptions', 'subscription', 'visitor', 'ending', 'stream-set', 'follower', 'resume', 'held', 'action'],
  ['channel · registry', 'registry', 'schema', 'surface', 'channel', 'current'],
  ['cable', 'listening', 'cable', 'control'],
  ['streams', 'backlog', 'telling', 'streams', 'deflate', 'batch', 'frame'],
  ['backend · history', 'in-process', 'history', 'backend'],
  ['limits · errors', 'limits', 'deadline', 'errors']
]

/** What a package may import of the others, whether Node is there when it runs, and whether it may speak with console. */
const packages = new Map([
  ['protocol', { neighbours: [], hasNode: false, hasConsole: false }],
  ['client', { neighbours: ['@fastify-channels/protocol'], hasNode: false, hasConsole: true }],
  ['fastify-channels', { neighbours: ['@fastify-channels/protocol', '@fastify-channels/client'], hasNode: true, hasConsole: false, floors }],
  ['redis', { neighbours: ['@fastify-channels/protocol', 'fastify-channels', 'fastify-channels/testing'], hasNode: true, hasConsole: false }],
  ['turbo', { neighbours: [], hasNode: true, hasConsole: false }]
])

const maxLines = 200
const vague = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'misc'])

/** All that is against the law, a sentence each. The folder that holds the packages is a parameter, and so is their law, so that others can be tried out. */
export async function inspectHouse (folder = join(root, 'packages'), laws = packages) {
  // Imported here: this module has to load before anything is installed.
  const { default: typescript } = await import('typescript')
  const faults = []
  for (const name of readdirSync(folder).filter(name => existsSync(join(folder, name, 'src'))).sort()) {
    const law = laws.get(name)
    if (law === undefined) faults.push(`packages/${name}: put it into tools/house.mjs, with what it may import`)
    else faults.push(...inspectPackage(join(folder, name), name, law, typescript))
  }
  return faults
}

function inspectPackage (folder, name, law, typescript) {
  const src = join(folder, 'src')
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const sources = new Map(readdirSync(src, { recursive: true })
    .filter(file => file.endsWith('.ts'))
    .map(file => [file.slice(0, -3).replaceAll('\\', '/'), readFileSync(join(src, file), 'utf8')]))
  const faults = []
  const graph = new Map()
  for (const [file, text] of sources) {
    const report = fault => faults.push(`packages/${name}/src/${file}.ts: ${fault}`)
    const imports = typescript.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
    inspectLook(file, text, law).forEach(report)
    inspectGuests(imports, law, manifest).forEach(report)
    const neighbours = imports.filter(path => path.startsWith('.')).map(path => join(dirname(file), path).replaceAll('\\', '/').replace(/\.ts$/, ''))
    for (const neighbour of neighbours) if (!sources.has(neighbour)) report(`imports ${neighbour}, which is not in this package's src`)
    graph.set(file, neighbours)
  }
  if (law.floors !== undefined) faults.push(...inspectFloors(graph, law.floors, name))
  for (const circle of circles(graph)) faults.push(`packages/${name}/src: a circle of imports: ${circle.join(' → ')}`)
  return faults
}

/** How a file looks from outside: its name, its length, its first sentence, and that it keeps quiet. */
function inspectLook (file, text, { hasConsole }) {
  const faults = []
  const lines = text.trimEnd().split('\n')
  for (const word of basename(file).split(/[-.]/)) if (vague.has(word)) faults.push(`"${word}" names nothing: a file is called by the one thing that is in it`)
  if (!/^\/\/ \S.{10,}[.!]$/.test(lines[0])) faults.push('its first line is no comment with a sentence that says what it is')
  if (lines.length > maxLines) faults.push(`${lines.length} lines, and ${maxLines} are allowed: it is more than one thing`)
  lines.forEach((line, index) => {
    if (!hasConsole && /(?<![.\w])console\./.test(line) && !/^\s*(\/\/|\*|\/\*)/.test(line)) faults.push(`line ${index + 1} speaks with console; a server speaks with app.log`)
  })
  return faults
}

/** What comes from outside of the package. */
function inspectGuests (imports, { neighbours, hasNode }, { name, dependencies = {}, peerDependencies = {} }) {
  const faults = []
  for (const path of imports.filter(path => !path.startsWith('.'))) {
    const guest = path.split('/').slice(0, path.startsWith('@') ? 2 : 1).join('/')
    const isHouse = guest === 'fastify-channels' || guest.startsWith('@fastify-channels/')
    if (isBuiltin(path)) {
      if (!hasNode) faults.push(`imports ${path}, but the package also runs where there is no Node`)
      else if (!path.startsWith('node:')) faults.push(`imports ${path}: write node:${path}`)
    } else if (isHouse && !neighbours.includes(path)) {
      faults.push(`imports ${path}, and ${name} may import ${neighbours.length === 0 ? 'no other package of the house' : neighbours.join(', ')}`)
    } else if (!Object.hasOwn(dependencies, guest) && !Object.hasOwn(peerDependencies, guest)) {
      faults.push(`imports ${path}, which is not in the dependencies of ${name}`)
    }
  }
  return faults
}

function inspectFloors (graph, floors, name) {
  const faults = []
  const order = floors.flatMap(([, ...files]) => files)
  const floorOf = new Map(floors.flatMap(([floor, ...files]) => files.map(file => [file, floor])))
  for (const file of order) if (!graph.has(file)) faults.push(`packages/${name}/src/${file}.ts is not there any more: take it off its floor in tools/house.mjs`)
  for (const [file, neighbours] of graph) {
    if (!floorOf.has(file)) faults.push(`packages/${name}/src/${file}.ts: put it on a floor in tools/house.mjs`)
    for (const neighbour of neighbours.filter(neighbour => floorOf.has(file) && floorOf.has(neighbour))) {
      if (order.indexOf(neighbour) <= order.indexOf(file)) faults.push(`packages/${name}/src/${file}.ts (${floorOf.get(file)}): imports ${neighbour} (${floorOf.get(neighbour)}), and imports only look down`)
    }
  }
  return faults
}

/** One circle for each import that closes one. */
function circles (graph) {
  const found = []
  const done = new Set()
  const visit = (file, path) => {
    if (path.includes(file)) return found.push([...path.slice(path.indexOf(file)), file])
    if (done.has(file)) return
    for (const neighbour of graph.get(file) ?? []) visit(neighbour, [...path, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

if (isMain(import.meta.url)) {
  try {
    const faults = await inspectHouse()
    console.log(faults.length === 0 ? 'the house is in order' : faults.join('\n'))
    process.exitCode = faults.length === 0 ? 0 : 1
  } catch (error) {
    console.error(explain(error))
    process.exitCode = 1
  }
}
