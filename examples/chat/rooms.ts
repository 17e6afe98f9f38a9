// Rooms: what they are called, who belongs to them, and the stream each of them speaks on.
import type { Queries } from './database.ts'
import type { User } from './users.ts'

export interface Room {
  readonly id: number
  readonly name: string
  readonly topic: string
  readonly isPrivate: boolean
}

/** A room as the list shows it. */
export interface ListedRoom extends Room {
  readonly sender: string | null
  readonly message: string | null
  /** When somebody spoke last: ISO 8601, UTC. */
  readonly spokenAt: string
}

/** Schema of a room's id, for routes and channels. */
export const roomId = { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 }

/** The stream of a room. Whoever broadcasts and whoever listens spells it here. */
export function chatStream (room: Pick<Room, 'id'>): string {
  return `chat_${room.id}`
}

/** The room of that id, or null. */
export async function findRoom (database: Queries, id: number): Promise<Room | null> {
  const { rows: [room] } = await database.query<Room>('select id, name, topic, is_private as "isPrivate" from rooms where id = $1', [id])
  return room ?? null
}

export async function hasMember (database: Queries, room: Room, user: User): Promise<boolean> {
  const { rows } = await database.query('select 1 from members where room_id = $1 and user_id = $2', [room.id, user.id])
  return rows.length === 1
}

/** The logins of a room's members. */
export async function membersOf (database: Queries, room: Room): Promise<string[]> {
  const { rows } = await database.query<{ login: string }>('select login from users join members on user_id = id where room_id = $1 order by login', [room.id])
  return rows.map(({ login }) => login)
}

/** Which rooms a user belongs to. */
export async function roomIdsOf (database: Queries, user: User): Promise<Array<Pick<Room, 'id'>>> {
  const { rows } = await database.query<Pick<Room, 'id'>>('select room_id as id from members where user_id = $1', [user.id])
  return rows
}

/** The rooms of a user, with what was said last in each; the liveliest first. */
export async function roomsOf (database: Queries, user: User): Promise<ListedRoom[]> {
  const { rows } = await database.query<Omit<ListedRoom, 'spokenAt'> & { spokenAt: Date }>(`
    select rooms.id, name, topic, is_private as "isPrivate", spoken_at as "spokenAt", last.login as sender, last.text as message
    from rooms
    join members on members.room_id = rooms.id and members.user_id = $1
    left join lateral (
      select login, text from messages join users on users.id = author_id where room_id = rooms.id order by messages.id desc limit 1
    ) last on true
    order by spoken_at desc`, [user.id])
  return rows.map(room => ({ ...room, spokenAt: room.spokenAt.toISOString() }))
}
