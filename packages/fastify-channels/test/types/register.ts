// An app's own user type reaches current.user and this.user (compiled, never run).
import { Channel, current } from 'fastify-channels'

interface Member { id: number, login: string }

declare module 'fastify-channels' {
  interface Register { user: Member }
}

export class TypedChannel extends Channel<{ room: number }> {
  subscribed () {
    const login: string | undefined = current.user?.login
    // @ts-expect-error a member has no such thing
    const none = current.user?.nothing
    this.streamFrom(`room_${this.params.room + 1}_${login}_${none}`)
  }
}
