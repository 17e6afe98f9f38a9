// Messages: what may be said, keeping it, changing it, and reading it again.
import type { Database } from './database.ts'
import type { Room } from './rooms.ts'
import type { User } from './users.ts'

/** A message, as it is shown to everybody alike. */
export interface Message {
  readonly id: number
  readonly roomId: number
  readonly authorId: number
  readonly author: string
  readonly text: string
  readonly isEdited: boolean
  readonly at: Date
}

/** The most characters one message may have, as browsers count them. */
export const maxText = 1000
/** How many messages a page shows. */
export const pageSize = 100

/** The text as it is kept: no space around it, nothing a database cannot hold. */
export function cleanText (text: string): string {
  return text.replaceAll('\0', '').trim()
}

/** Why this text cannot be said, or null. */
export function textProblem (text: string): string | null {
  if (text === '') return 'There is nothing to send yet.'
  return text.length > maxText ? `This is too long: a message has at most ${maxText} characters.` : null
}

const columns = 'messages.id, room_id as "roomId", author_id as "authorId", users.name as author, text, is_edited as "isEdited", written_at as at'

export async function createMessage (database: Database, room: Room, author: User, text: string): Promise<Message> {
  const { rows: [row] } = await database.query<{ id: number }>('insert into messages (room_id, author_id, text) values ($1, $2, $3) returning id', [room.id, author.id, text])
  return (await findMessage(database, row!.id))!
}

export async function editMessage (database: Database, { id }: Message, text: string): Promise<Message | null> {
  await database.query('update messages set text = $2, is_edited = true where id = $1', [id, text])
  return findMessage(database, id)
}

export async function deleteMessage (database: Database, { id }: Message): Promise<void> {
  await database.query('delete from messages where id = $1', [id])
}

/** The message of that id, or null. */
export async function findMessage (database: Database, id: number): Promise<Message | null> {
  const { rows: [message] } = await database.query<Message>(`select ${columns} from messages join users on users.id = author_id where messages.id = $1`, [id])
  return message ?? null
}

/** The latest messages of a room, oldest first. */
export async function latestMessages (database: Database, room: Pick<Room, 'id'>, limit = pageSize): Promise<Message[]> {
  const { rows } = await database.query<Message>(`select ${columns} from messages join users on users.id = author_id where room_id = $1 order by messages.id desc limit $2`, [room.id, limit])
  return rows.reverse()
}
