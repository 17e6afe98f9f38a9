// The door of a room: every route of a room goes through it, as every subscription goes through `subscribed()`.
import type { FastifyInstance } from 'fastify'
import { current } from 'fastify-channels'
import { findRoom, hasMember, roomId } from '../rooms.ts'
import type { Room } from '../rooms.ts'

/** Schema of `/rooms/:id`. */
export const roomParams = { type: 'object', properties: { id: roomId } }

class Closed extends Error {
  readonly statusCode: number

  constructor (statusCode: 403 | 404) {
    super('this room is closed')
    this.statusCode = statusCode
  }
}

/** The room of that id. For somebody who may not enter, the error page instead. */
export async function enterRoom (app: FastifyInstance, id: number): Promise<Room> {
  const room = await findRoom(app.database, id)
  if (room === null) throw new Closed(404)
  if (!await hasMember(app.database, room, current.user!)) throw new Closed(403)
  return room
}
