// Sessions: a random id in the cookie, and in the database whose it is; so logging out is final, and the cookie tells nothing.
import { randomBytes } from 'node:crypto'
import type { Queries } from './database.ts'
import type { User } from './users.ts'

/** Seconds until a session is over by itself. */
export const sessionAge = 30 * 24 * 60 * 60

/** Starts a session; returns its id. */
export async function startSession (database: Queries, user: User): Promise<string> {
  const id = randomBytes(32).toString('base64url')
  await database.query('insert into sessions (id, user_id) values ($1, $2)', [id, user.id])
  return id
}

/** Ends a session, whoever asks with it. */
export async function endSession (database: Queries, id: string): Promise<void> {
  await database.query('delete from sessions where id = $1', [id])
}

/** Whose session this is and when it is over, or null. */
export async function findSession (database: Queries, id: string): Promise<{ userId: number, expiresAt: Date } | null> {
  const { rows: [session] } = await database.query<{ userId: number, expiresAt: Date }>(`
    select user_id as "userId", started_at + make_interval(secs => $2) as "expiresAt"
    from sessions where id = $1 and started_at > now() - make_interval(secs => $2)`, [id, sessionAge])
  return session ?? null
}
