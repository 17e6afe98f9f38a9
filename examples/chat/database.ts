// The database: Postgres inside this process or at an address, with its tables and, when it is new, some people who have already talked.
import { PGlite } from '@electric-sql/pglite'
import { hashPassword } from './passwords.ts'
import { connectPostgres } from './postgres.ts'

/** What a query needs: the database, or a transaction of it. */
export interface Queries {
  query: <Row>(sql: string, params?: any[]) => Promise<{ rows: Row[] }>
}

export interface Database extends Queries {
  /** Runs `work` in a transaction: when it throws, nothing of it happened. */
  transaction: <T>(work: (transaction: Queries) => Promise<T>) => Promise<T>
  close: () => Promise<void>
}

/** Everybody's password in the seeded database. */
export const password = 'channels'

/** Opens the database at a `postgres:` address, in a folder, or in memory. */
export async function openDatabase (where = 'memory://'): Promise<Database> {
  const database: Database = /^postgres(ql)?:/.test(where) ? connectPostgres(where) : await PGlite.create(where)
  await database.transaction(async transaction => {
    // One process at a time: of two that start together, the second finds everything made.
    await transaction.query('select pg_advisory_xact_lock(1)')
    for (const statement of schema) await transaction.query(statement)
    const { rows } = await transaction.query('select 1 from users limit 1')
    if (rows.length === 0) await seed(transaction)
  })
  return database
}

const schema = [
  `create table if not exists users (
    id integer primary key generated always as identity,
    login text not null unique,
    password text not null
  )`,
  `create table if not exists sessions (
    id text primary key,
    user_id integer not null references users,
    started_at timestamptz not null default now()
  )`,
  `create table if not exists rooms (
    id integer primary key generated always as identity,
    name text not null,
    topic text not null,
    is_private boolean not null default false,
    spoken_at timestamptz not null default now()
  )`,
  `create table if not exists members (
    room_id integer not null references rooms,
    user_id integer not null references users,
    primary key (room_id, user_id)
  )`,
  `create table if not exists messages (
    id integer primary key generated always as identity,
    room_id integer not null references rooms,
    author_id integer not null references users,
    text text not null,
    written_at timestamptz not null default now()
  )`,
  'create index if not exists messages_of_room on messages (room_id, id)'
]

const people = ['ana', 'ben', 'cleo']

const rooms = [
  {
    name: 'Weekend hike',
    topic: 'Saturday, 8:10 at the station',
    members: ['ana', 'ben', 'cleo'],
    messages: [
      ['cleo', 'Forecast for Saturday: sun until four, then clouds. No rain.'],
      ['ben', 'Perfect. The long way round the lake, then?'],
      ['cleo', 'If we catch the 8:10, yes. Otherwise we come back in the dark.'],
      ['ana', 'I bring the map and the big thermos.'],
      ['ana', 'Somebody else brings cake :)'],
      ['ben', 'On it.']
    ]
  },
  {
    name: 'A surprise for Cleo',
    topic: 'Her birthday is on the 14th. Not a word!',
    members: ['ana', 'ben'],
    isPrivate: true,
    messages: [
      ['ana', 'She still believes that we are at my sister’s that evening.'],
      ['ben', 'Good. I have the keys of the boathouse, lights included.'],
      ['ana', 'You are the best.']
    ]
  },
  {
    name: 'Lobby',
    topic: 'Everybody, about anything',
    members: ['ana', 'ben', 'cleo'],
    messages: [
      ['ana', 'Good morning! Coffee is ready.'],
      ['cleo', 'Two minutes.'],
      ['ben', 'Is there any of yesterday’s bread left?'],
      ['ana', 'Half a loaf, and it is still good. Come quickly, Cleo has seen it too.'],
      ['cleo', 'I have seen nothing.'],
      ['cleo', 'Where exactly?']
    ]
  }
]

async function seed (transaction: Queries): Promise<void> {
  for (const login of people) {
    await transaction.query('insert into users (login, password) values ($1, $2)', [login, await hashPassword(password)])
  }
  for (const [hours, { name, topic, members, isPrivate = false, messages }] of rooms.entries()) {
    // The last of these rooms spoke last.
    const at = (index: number) => new Date(Date.now() - ((rooms.length - hours) * 60 - index * 4) * 60_000)
    const { rows: [room] } = await transaction.query<{ id: number }>(
      'insert into rooms (name, topic, is_private, spoken_at) values ($1, $2, $3, $4) returning id', [name, topic, isPrivate, at(messages.length)])
    for (const login of members) {
      await transaction.query('insert into members select $1, id from users where login = $2', [room!.id, login])
    }
    for (const [index, [login, text]] of messages.entries()) {
      await transaction.query('insert into messages (room_id, author_id, text, written_at) select $1, id, $3, $4 from users where login = $2', [room!.id, login, text, at(index)])
    }
  }
}
