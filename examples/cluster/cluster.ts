// The cluster: a Redis, a database, and as many processes of the chat as there are ports. Knows nothing of the chat but its environment.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { servePostgres } from './postgres.ts'
import { startRedis } from './redis.ts'

/** A running cluster. */
export interface Cluster {
  /** Where each of the processes is. */
  readonly urls: readonly string[]
  /** Their process ids, in the same order. */
  readonly pids: readonly number[]
  /** Settles when a process ends that nobody has asked to. */
  readonly broken: Promise<Error>
  close: () => Promise<void>
}

/** Starts one process of the chat for each port; 0 is any free one. */
export async function startCluster (ports: readonly number[]): Promise<Cluster> {
  const parts: Array<{ close: () => Promise<void> }> = []
  // In the reverse order: nothing loses what it stands on.
  const close = async () => { for (let part; (part = parts.pop()) !== undefined;) await part.close() }
  try {
    const redis = await startRedis()
    parts.push(redis)
    const postgres = await servePostgres(process.env.DATA_DIR)
    parts.push(postgres)
    const env = { ...process.env, REDIS_URL: redis.url, DATABASE_URL: postgres.url, COOKIE_SECRET: process.env.COOKIE_SECRET ?? randomBytes(32).toString('hex') }
    const chats = ports.map(port => new Chat(port, env))
    parts.push({ close: async () => { await Promise.all(chats.map(chat => chat.close())) } })
    return {
      urls: await Promise.all(chats.map(chat => chat.url())),
      pids: chats.map(({ pid }) => pid),
      broken: Promise.race(chats.map(({ broken }) => broken)),
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** One process of the chat. */
class Chat {
  readonly broken: Promise<Error>
  readonly #child: ChildProcess
  #isClosing = false

  constructor (port: number, env: NodeJS.ProcessEnv) {
    this.#child = fork(fileURLToPath(new URL('../chat/server.ts', import.meta.url)), { env: { ...env, PORT: String(port) } })
    this.broken = new Promise(resolve => this.#child.once('exit', code => { if (!this.#isClosing) resolve(new Error(`the process of port ${port} ended with code ${code}`)) }))
  }

  get pid (): number {
    return this.#child.pid!
  }

  async url (): Promise<string> {
    const said = await Promise.race([once(this.#child, 'message'), this.broken])
    if (said instanceof Error) throw said
    return said[0].url
  }

  async close (): Promise<void> {
    this.#isClosing = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    if (this.#child.connected) this.#child.disconnect()
    await exited
  }
}
