// The database: Postgres inside this process, with its tables and, when it is new, some rooms in which people have already talked.
import { PGlite } from '@electric-sql/pglite'

export type Database = PGlite

/** Opens the database in a folder, or in memory. */
export async function openDatabase (folder?: string): Promise<Database> {
  const database = await PGlite.create(folder ?? 'memory://')
  await database.exec(schema)
  const { rows } = await database.query('select 1 from rooms limit 1')
  if (rows.length === 0) await seed(database)
  return database
}

const schema = `
  create table if not exists users (
    id integer primary key generated always as identity,
    name text not null
  );
  create table if not exists rooms (
    id integer primary key generated always as identity,
    name text not null,
    topic text not null
  );
  create table if not exists messages (
    id integer primary key generated always as identity,
    room_id integer not null references rooms,
    author_id integer not null references users,
    text text not null,
    is_edited boolean not null default false,
    written_at timestamptz not null default now()
  );
  create index if not exists messages_of_room on messages (room_id, id);
`

const people = ['Marta', 'Joon', 'Ilse']

const rooms = [
  {
    name: 'The kitchen',
    topic: 'Who cooks, and what is missing',
    messages: [
      ['Marta', 'Soup tonight. There is enough for six.'],
      ['Joon', 'I bring bread from the corner.'],
      ['Ilse', 'Somebody finished the olives and put the glass back.'],
      ['Joon', 'I have never seen an olive in my life.'],
      ['Marta', 'Seven o’clock. Whoever is late washes up.']
    ]
  },
  {
    name: 'Reading circle',
    topic: 'Chapter nine until Sunday',
    messages: [
      ['Ilse', 'Is anybody else lost among all these cousins?'],
      ['Marta', 'There is a family tree at the very end. I found it after 300 pages.'],
      ['Ilse', 'I would have liked to know that 300 pages ago.']
    ]
  },
  {
    name: 'The boat',
    topic: 'Repairs, and whose turn it is',
    messages: [
      ['Joon', 'The rudder is back on. It even turns both ways.'],
      ['Marta', 'Then we sail on Saturday, if the wind agrees.']
    ]
  }
]

async function seed (database: Database): Promise<void> {
  await database.transaction(async transaction => {
    for (const name of people) await transaction.query('insert into users (name) values ($1)', [name])
    for (const { name, topic, messages } of rooms) {
      const { rows: [room] } = await transaction.query<{ id: number }>('insert into rooms (name, topic) values ($1, $2) returning id', [name, topic])
      for (const [index, [author, text]] of messages.entries()) {
        const minutesAgo = (messages.length - index) * 7
        await transaction.query("insert into messages (room_id, author_id, text, written_at) select $1, id, $3, now() - $4 * interval '1 minute' from users where name = $2", [room!.id, author, text, minutesAgo])
      }
    }
  })
}
