// What the pages show, and the place in their streams it belongs to: whatever is said after it reaches the page over its socket.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { latestMessages } from '../messages.ts'
import { chatStream, membersOf, roomIdsOf, roomsOf } from '../rooms.ts'
import type { Room } from '../rooms.ts'
import type { RoomPage } from '../views/room.ts'
import type { Sidebar } from '../views/sidebar.ts'

/** The rooms of the current user. */
export async function readRooms (app: FastifyInstance): Promise<Sidebar> {
  const { database } = app
  const user = current.user!
  const streams = (await roomIdsOf(database, user)).map(chatStream)
  const { data: rooms, since } = await app.cable.snapshot(streams, () => roomsOf(database, user))
  return { user, rooms, since }
}

/** A room with its messages, and the other rooms beside it. */
export async function readRoom (app: FastifyInstance, room: Room): Promise<RoomPage> {
  const { database } = app
  // The place is taken first, so nothing can be said between the two without being heard.
  const sidebar = await readRooms(app)
  return { ...sidebar, room, members: await membersOf(database, room), messages: await latestMessages(database, room) }
}
