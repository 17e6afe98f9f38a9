// What the tests start from: one seeded database for a file, apps on it, and people who log in.
import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { buildApp } from '../app.ts'
import { openDatabase, password } from '../database.ts'
import type { Database } from '../database.ts'

export const database = await openDatabase()
t.teardown(() => database.close())

/** The same for every app, as from one start of a server to the next. */
const secret = randomBytes(32).toString('hex')

/** The seeded rooms; cleo is no member of the second. */
export const [hike, surprise, lobby] = [1, 2, 3]

/** An app on the seeded database, closed with the test. */
export async function app (test: Test, of: Database = database): Promise<FastifyInstance> {
  const built = await buildApp({ database: of, secret })
  test.teardown(() => built.close())
  return built
}

/** An app that listens, and its address. */
export async function listening (test: Test): Promise<{ built: FastifyInstance, url: string }> {
  const built = await app(test)
  return { built, url: await built.listen({ port: 0, host: '127.0.0.1' }) }
}

/** Logs in as a browser would, and settles with the cookies it would keep. */
export async function logIn (built: FastifyInstance, login: string): Promise<{ [name: string]: string }> {
  const answer = await built.inject({ method: 'POST', url: '/login', ...form({ login, password }) })
  return Object.fromEntries(answer.cookies.map(({ name, value }) => [name, value]))
}

/** A form, as a browser sends it. */
export function form (fields: { [name: string]: string }) {
  return { payload: new URLSearchParams(fields).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } }
}

/** Says something over HTTP, without any browser. */
export async function post (built: FastifyInstance, login: string, room: number, message: string): Promise<void> {
  await built.inject({ method: 'POST', url: `/rooms/${room}/messages`, cookies: await logIn(built, login), ...form({ message }) })
}

/** What is kept of a room. */
export async function textsOf (room: number): Promise<string[]> {
  const { rows } = await database.query<{ text: string }>('select text from messages where room_id = $1 order by id', [room])
  return rows.map(({ text }) => text)
}

/** The database with one thing changed: what happens around its transactions. */
export function withTransactions (around: (work: () => Promise<unknown>) => Promise<unknown>): Database {
  return new Proxy(database, {
    get (target, name) {
      if (name === 'transaction') return (work: (transaction: never) => Promise<unknown>) => target.transaction(transaction => around(() => work(transaction as never)))
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}
