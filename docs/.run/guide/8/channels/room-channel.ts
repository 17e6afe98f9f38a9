// channels/room-channel.ts
import { Channel, current } from 'fastify-channels'

export class RoomChannel extends Channel<{ room_id: number }> {
  static actions = {}

  subscribed () {
    if (!this.authenticated) this.reject()
    this.streamFrom(this.#stream)
    this.broadcast(this.#stream, { event: 'joined', user: current.user.login }, { history: false })
  }

  unsubscribed () {
    this.broadcast(this.#stream, { event: 'left', user: this.user?.login }, { history: false })
  }

  get #stream () {
    return `room_${this.params.room_id}`
  }
}
