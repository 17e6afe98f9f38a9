// app.ts
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import channels, { Channel, current } from 'fastify-channels'
import { rooms, sessions, users } from './models.ts'

class InboxChannel extends Channel {
  subscribed () {
    if (!this.authenticated) this.reject()
    this.streamFrom(`inbox_${current.user.id}`)
  }
}

class RoomChannel extends Channel<{ room_id: number }> {
  async subscribed () {
    const room = await rooms.find(this.params.room_id)
    if (!room?.hasMember(current.user)) return this.reject()
    this.streamFrom(`room_${room.id}`)
  }
}

export const app = Fastify()
await app.register(cookie, { secret: 'a long random text' })
await app.register(channels, {
  channels: { InboxChannel, RoomChannel },
  session: { cookie: 'session', userId: id => sessions.userId(id) },
  findUser: id => users.find(id)
})

app.get('/me', () => ({ login: current.user?.login ?? null }))
