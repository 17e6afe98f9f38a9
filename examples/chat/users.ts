// Users: who there is, and who knows their password.
import type { Queries } from './database.ts'
import { hashPassword, isPassword } from './passwords.ts'

export interface User {
  readonly id: number
  readonly login: string
}

// From here on, `current.user` and `this.user` are this app's users.
declare module 'fastify-channels' {
  interface Register { user: User }
}

/** The user of that id, or null. */
export async function findUser (database: Queries, id: number | string): Promise<User | null> {
  const { rows: [user] } = await database.query<User>('select id, login from users where id = $1', [id])
  return user ?? null
}

// Whoever is not there takes as long to refuse as a wrong password, so nobody learns who is there.
const nobody = hashPassword('')

/** The user of that login and password, or null. */
export async function authenticate (database: Queries, login: string, password: string): Promise<User | null> {
  const { rows: [user] } = await database.query<User & { password: string }>('select id, login, password from users where login = $1', [login])
  if (!await isPassword(password, user?.password ?? await nobody) || user === undefined) return null
  return { id: user.id, login: user.login }
}
