// Messages: what may be said, keeping it, and reading it again.
import type { Queries } from './database.ts'
import type { Room } from './rooms.ts'
import type { User } from './users.ts'

/** A message, as pages and broadcasts carry it. */
export interface Message {
  readonly id: number
  readonly sender: string
  readonly message: string
  /** ISO 8601, UTC. */
  readonly at: string
}

type Row = Omit<Message, 'at'> & { at: Date }

/** The most characters one message may have. */
export const maxLength = 2000
/** How many messages a page shows. */
export const pageSize = 100

/** The text as it is kept: no space around it, one kind of line end, nothing a database cannot hold. */
export function cleanText (text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll('\0', '').trim()
}

/** Why this text cannot be said, or null. */
export function textProblem (text: string): 'empty' | 'too_long' | null {
  if (text === '') return 'empty'
  return Array.from(text).length > maxLength ? 'too_long' : null
}

/** Keeps a message. The room moves up in everybody's list with it, or neither happens: so this runs in a transaction. */
export async function createMessage (transaction: Queries, room: Pick<Room, 'id'>, author: User, text: string): Promise<Message> {
  const { rows: [row] } = await transaction.query<Row>('insert into messages (room_id, author_id, text) values ($1, $2, $3) returning id, text as message, written_at as at', [room.id, author.id, text])
  await transaction.query('update rooms set spoken_at = $2 where id = $1', [room.id, row!.at])
  return shown({ ...row!, sender: author.login })
}

/** The latest messages of a room, oldest first, `pageSize` at most; with `after`, only those that came after the message of that id. */
export async function latestMessages (database: Queries, room: Room, after = 0): Promise<Message[]> {
  const { rows } = await database.query<Row>(`
    select messages.id, login as sender, text as message, written_at as at
    from messages join users on users.id = author_id
    where room_id = $1 and messages.id > $2
    order by messages.id desc limit ${pageSize}`, [room.id, after])
  return rows.reverse().map(shown)
}

function shown ({ id, sender, message, at }: Row): Message {
  return { id, sender, message, at: at.toISOString() }
}
