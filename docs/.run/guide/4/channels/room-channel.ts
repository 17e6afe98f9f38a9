// channels/room-channel.ts
import { Channel } from 'fastify-channels'
import type { EndReason } from 'fastify-channels'

export class RoomChannel extends Channel<{ room: string }> {
  subscribed () {
    this.streamFrom(`room_${this.params.room}`)
    this.send({ status: 'welcome' })
  }

  unsubscribed (reason: EndReason) {
    this.log.info({ reason }, 'left')
  }
}
