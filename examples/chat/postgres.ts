// Postgres at an address, for a chat of several processes: the same few words as the database inside a process.
import pg from 'pg'
import type { Database } from './database.ts'

/** Connects when it is first asked something. */
export function connectPostgres (url: string): Database {
  const pool = new pg.Pool({ connectionString: url })
  // A connection that breaks while it rests is replaced; one that breaks at work rejects its query.
  pool.on('error', () => {})
  return {
    query: (sql, params) => pool.query(sql, params) as Promise<any>,
    transaction: async work => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await work({ query: (sql, params) => client.query(sql, params) as Promise<any> })
        await client.query('commit')
        client.release()
        return result
      } catch (error) {
        // A connection that cannot even do that is thrown away.
        await client.query('rollback').then(() => client.release(), client.release)
        throw error
      }
    },
    close: () => pool.end()
  }
}
