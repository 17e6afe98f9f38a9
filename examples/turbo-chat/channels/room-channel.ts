// RoomChannel: a page with a room on it. It hears the room, and what is said last in all of them; it calls nothing.
import { Channel } from 'fastify-channels'
import { findRoom, idSchema, listStream, roomStream } from '../rooms.ts'

export class RoomChannel extends Channel<{ room_id: number }> {
  static override params = { type: 'object', required: ['room_id'], properties: { room_id: idSchema } }
  static override actions = {}

  override async subscribed () {
    const room = await findRoom(this.app.database, this.params.room_id)
    if (room === null || !this.authenticated) this.reject()
    this.streamFrom(roomStream(room))
    this.streamFrom(listStream)
  }
}
