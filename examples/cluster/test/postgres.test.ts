// The database that the processes share: one session behind it, and nobody notices.
import pg from 'pg'
import t from 'tap'
import { servePostgres } from '../postgres.ts'

t.test('the shared database keeps its connections apart', async t => {
  const served = await servePostgres()
  const pool = new pg.Pool({ connectionString: served.url, max: 8 })
  t.teardown(async () => {
    await pool.end()
    await served.close()
  })
  await pool.query('create table counters (id integer primary key, value integer not null)')
  await pool.query('insert into counters values (1, 0)')

  // Everybody reads, then writes what they read plus one: whoever gets between the two loses a step.
  const steps = Array.from({ length: 40 }, async (_, step) => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      const { rows: [{ value }] } = await client.query('select value from counters where id = $1', [1])
      await client.query('update counters set value = $1 where id = 1', [value + 1])
      await client.query(step % 4 === 0 ? 'rollback' : 'commit')
    } finally {
      client.release()
    }
  })
  const sums = Array.from({ length: 40 }, async (_, number) => (await pool.query('select $1::int + $2::int as sum, $3::text as name', [number, 1, `n${number}`])).rows[0])
  const wrong = Array.from({ length: 10 }, () => t.rejects(pool.query('select nothing from nowhere where id = $1', [1]), { code: '42P01' }))
  await Promise.all([...steps, ...wrong])
  t.strictSame(await Promise.all(sums), Array.from({ length: 40 }, (_, number) => ({ sum: number + 1, name: `n${number}` })))
  t.strictSame((await pool.query('select value from counters')).rows, [{ value: 30 }])

  const leaver = new pg.Client({ connectionString: served.url })
  leaver.on('error', () => {})
  await leaver.connect()
  await leaver.query('begin')
  await leaver.query('update counters set value = 1000')
  const waiting = pool.query('select value from counters')
  ;(leaver as any).connection.stream.destroy()
  t.strictSame((await waiting).rows, [{ value: 30 }], 'who leaves in the middle has done nothing')
  const big = 'x'.repeat(1_000_000)
  t.equal((await pool.query('select $1::text as big', [big])).rows[0].big, big)
})
