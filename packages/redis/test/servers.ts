// Real Redis servers for the tests: each on a free port, without a disk, ended with its test. Pretends nothing.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'

const program = process.env.REDIS_SERVER_PATH || 'redis-server'

/** A Redis of one's own. */
export class Server {
  readonly port: number
  readonly #flags: readonly string[]
  #child: ChildProcess

  private constructor (port: number, flags: readonly string[]) {
    this.port = port
    this.#flags = flags
    this.#child = this.#spawn()
  }

  static async start (...flags: string[]): Promise<Server> {
    const server = new Server(await freePort(), flags)
    await server.#ready()
    return server
  }

  get url (): string {
    return `redis://127.0.0.1:${this.port}/0`
  }

  /** Runs one command on a connection of its own. */
  async tell (name: string, ...args: Array<string | number>): Promise<unknown> {
    const client = new Redis(this.port, '127.0.0.1', { disableClientInfo: true })
    try {
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }

  /** Ends the connections of one kind: `commands` or `subscriber`. */
  async kill (kind: string): Promise<number> {
    const list = String(await this.tell('client', 'list'))
    const ids = [...list.matchAll(new RegExp(`^id=(\\d+).* name=channels-${kind} `, 'gm'))].map(match => match[1]!)
    for (const id of ids) await this.tell('client', 'kill', 'id', id)
    return ids.length
  }

  /** Ends one of our connections, chosen by a number from 0 to 1; gives how many it ended. */
  async killOne (choice: number): Promise<number> {
    const ids = [...String(await this.tell('client', 'list')).matchAll(/^id=(\d+).* name=channels-/gm)].map(match => match[1]!)
    const id = ids[Math.floor(choice * ids.length)]
    return id === undefined ? 0 : Number(await this.tell('client', 'kill', 'id', id))
  }

  freeze (): void {
    this.#child.kill('SIGSTOP')
  }

  thaw (): void {
    this.#child.kill('SIGCONT')
  }

  async stop (): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.thaw()
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Comes back on the same port, with nothing. */
  async start (): Promise<void> {
    this.#child = this.#spawn()
    await this.#ready()
  }

  #spawn (): ChildProcess {
    // A Sentinel's file comes first, and it knows nothing of disks. Of the others none writes a snapshot, a replica neither, and none reads what is left of another one.
    const [first, file] = this.#flags
    const own = ['--port', String(this.port), '--bind', '127.0.0.1']
    const flags = first === '--sentinel' ? [file!, '--sentinel', ...own] : [...own, '--save', '', '--appendonly', 'no', '--repl-diskless-load', 'swapdb', '--dbfilename', 'never.rdb', ...this.#flags]
    const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'ignore'] })
    // A test that dies takes its servers along.
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    return child
  }

  async #ready (): Promise<void> {
    let said = ''
    for await (const chunk of this.#child.stdout!) {
      said += chunk
      if (/eady to accept connections|\+monitor master/.test(said)) break
    }
    if (!/eady to accept connections|\+monitor master/.test(said)) throw new Error(`redis-server did not start:\n${said}`)
  }
}

/** Three nodes that share the slots. */
export class ClusterOfThree {
  readonly nodes: readonly Server[]

  readonly #folder: string

  private constructor (nodes: readonly Server[], folder: string) {
    this.nodes = nodes
    this.#folder = folder
  }

  static async start (): Promise<ClusterOfThree> {
    // Not a folder of the test file's: the same test may run twice at a time.
    const folder = await mkdtemp(join(tmpdir(), 'channels-cluster-'))
    const nodes = await Promise.all([0, 1, 2].map(async index => await Server.start('--cluster-enabled', 'yes', '--cluster-config-file', `${folder}/node-${index}.conf`, '--cluster-port', String(await freePort()), '--cluster-node-timeout', '2000')))
    const cluster = new ClusterOfThree(nodes, folder)
    try {
      await cluster.#join()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** A node more, which has all that `master` has. */
  async replicate (master: Server): Promise<Server> {
    const replica = await Server.start('--cluster-enabled', 'yes', '--cluster-config-file', `${this.#folder}/replica.conf`, '--cluster-port', String(await freePort()), '--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0')
    await replica.tell('cluster', 'meet', '127.0.0.1', master.port, await busOf(master))
    await until(async () => String(await replica.tell('cluster', 'info')).includes('cluster_known_nodes:4'))
    await replica.tell('cluster', 'replicate', String(await master.tell('cluster', 'myid')))
    await until(async () => String(await replica.tell('info', 'replication')).includes('master_link_status:up'))
    return replica
  }

  async stop (): Promise<void> {
    await Promise.all(this.nodes.map(node => node.stop()))
    await rm(this.#folder, { recursive: true })
  }

  async #join (): Promise<void> {
    const { nodes } = this
    const bus = await busOf(nodes[0]!)
    for (const [index, node] of nodes.entries()) {
      await node.tell('cluster', 'addslotsrange', Math.floor(index * 16384 / 3), Math.floor((index + 1) * 16384 / 3) - 1)
      if (index > 0) await node.tell('cluster', 'meet', '127.0.0.1', nodes[0]!.port, bus)
    }
    for (const node of nodes) await until(async () => /cluster_state:ok[^]*cluster_known_nodes:3/.test(String(await node.tell('cluster', 'info'))))
  }
}

/** Where a node speaks with the others. */
async function busOf (node: Server): Promise<number> {
  return Number(String(await node.tell('config', 'get', 'cluster-port')).split(',')[1])
}

/** A master, a replica, and a Sentinel that watches them under the name `main`. */
export class Watched {
  readonly master: Server
  readonly replica: Server
  readonly sentinel: Server

  readonly #folder: string

  private constructor (master: Server, replica: Server, sentinel: Server, folder: string) {
    this.#folder = folder
    this.master = master
    this.replica = replica
    this.sentinel = sentinel
  }

  static async start (): Promise<Watched> {
    const folder = await mkdtemp(join(tmpdir(), 'channels-sentinel-'))
    const master = await Server.start()
    const replica = await Server.start('--replicaof', `127.0.0.1 ${master.port}`, '--repl-diskless-sync-delay', '0')
    await until(async () => String(await replica.tell('info', 'replication')).includes('master_link_status:up'))
    const file = `${folder}/sentinel.conf`
    await writeFile(file, `sentinel monitor main 127.0.0.1 ${master.port} 1\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n`)
    const sentinel = await Server.start('--sentinel', file)
    await until(async () => String(await sentinel.tell('info', 'sentinel')).includes('slaves=1'))
    return new Watched(master, replica, sentinel, folder)
  }

  async stop (): Promise<void> {
    await Promise.all([this.sentinel, this.replica, this.master].map(server => server.stop()))
    await rm(this.#folder, { recursive: true })
  }
}

/** Waits for a fact. */
export async function until (isSo: () => unknown, ms = 15_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!await isSo()) {
    if (performance.now() > deadline) throw new Error(`this did not become true within ${ms} ms: ${isSo}`)
    await pause(5)
  }
}

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
