// What the tests start from: one seeded database for a file, apps on it, and people who came in.
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { buildApp } from '../app.ts'
import { openDatabase } from '../database.ts'

export const database = await openDatabase()
t.teardown(() => database.close())

/** The seeded rooms. */
export const [kitchen, circle, boat] = [1, 2, 3]

/** What Turbo's forms accept. */
export const turbo = { accept: 'text/vnd.turbo-stream.html, text/html, application/xhtml+xml' }

/** An app on the seeded database, closed with the test. */
export async function app (test: Test): Promise<FastifyInstance> {
  const built = await buildApp({ database })
  test.teardown(() => built.close())
  return built
}

/** Comes in as a browser would, and settles with the cookies it would keep. */
export async function comeIn (built: FastifyInstance, name: string): Promise<{ [name: string]: string }> {
  const answer = await built.inject({ method: 'POST', url: '/hello', ...form({ name }) })
  return Object.fromEntries(answer.cookies.map(({ name, value }) => [name, value]))
}

/** A form, as a browser sends it. */
export function form (fields: { [name: string]: string }, headers: { [name: string]: string } = {}) {
  return { payload: new URLSearchParams(fields).toString(), headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } }
}

/** What is kept of a room. */
export async function textsOf (room: number): Promise<string[]> {
  const { rows } = await database.query<{ text: string }>('select text from messages where room_id = $1 order by id', [room])
  return rows.map(({ text }) => text)
}

/** The id of the one user who has that name. */
export async function idOf (name: string): Promise<number> {
  const { rows: [user] } = await database.query<{ id: number }>('select id from users where name = $1', [name])
  return user!.id
}
