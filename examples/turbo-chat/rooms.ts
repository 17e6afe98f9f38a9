// Rooms: what they are called, and the streams on which they speak.
import type { Database } from './database.ts'
import type { Message } from './messages.ts'

export interface Room {
  readonly id: number
  readonly name: string
  readonly topic: string
}

/** A room as the list shows it. */
export interface ListedRoom extends Room {
  readonly last: Pick<Message, 'author' | 'text'> | null
}

/** Schema of an id, for routes and channels. */
export const idSchema = { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 }

/** The stream of a room: its messages, as they come, change and go. */
export function roomStream (room: Pick<Room, 'id'>): string {
  return `room_${room.id}`
}

/** The stream of the list: what was said last, wherever it was. */
export const listStream = 'rooms'

/** The room of that id, or null. */
export async function findRoom (database: Database, id: number): Promise<Room | null> {
  const { rows: [room] } = await database.query<Room>('select id, name, topic from rooms where id = $1', [id])
  return room ?? null
}

/** All rooms, with what was said last in each. */
export async function listRooms (database: Database): Promise<ListedRoom[]> {
  const { rows } = await database.query<ListedRoom>(`
    select rooms.id, rooms.name, topic, (
      select json_build_object('author', users.name, 'text', text)
      from messages join users on users.id = author_id where room_id = rooms.id order by messages.id desc limit 1
    ) as last
    from rooms order by rooms.id`)
  return rows
}
