// Users: a name, and a number that tells two people of that name apart. There are no passwords here.
import type { Database } from './database.ts'

export interface User {
  readonly id: number
  readonly name: string
}

// From here on, `current.user` and `this.user` are this app's users.
declare module 'fastify-channels' {
  interface Register { user: User }
}

/** The most characters a name may have. */
export const maxName = 24

export async function createUser (database: Database, name: string): Promise<User> {
  const { rows: [user] } = await database.query<User>('insert into users (name) values ($1) returning id, name', [name])
  return user!
}

/** The user of that id, or null. */
export async function findUser (database: Database, id: number | string): Promise<User | null> {
  const { rows: [user] } = await database.query<User>('select id, name from users where id = $1', [id])
  return user ?? null
}
