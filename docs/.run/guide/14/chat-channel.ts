// chat-channel.ts
import { Channel, current } from 'fastify-channels'
import { rooms } from './models.ts'

export class ChatChannel extends Channel<{ room_id: number }> {
  static actions = { typing: true }

  async subscribed () {
    const room = await rooms.find(this.params.room_id)
    if (!room?.hasMember(current.user)) return this.reject()
    this.streamFrom(`chat_${room.id}`)
  }

  typing () {
    this.broadcast(`chat_${this.params.room_id}`, { typing: current.user.login }, { history: false, except: this.tab })
  }
}
