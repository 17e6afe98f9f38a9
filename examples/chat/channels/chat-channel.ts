// ChatChannel: a room, live. Lets members in, and carries what they say to the others.
import { ActionError, current } from 'fastify-channels'
import { cleanText, createMessage, maxLength, textProblem } from '../messages.ts'
import { chatStream, findRoom, hasMember, roomId } from '../rooms.ts'
import type { Room } from '../rooms.ts'
import { AppChannel } from './app-channel.ts'

export class ChatChannel extends AppChannel<{ room_id: number }> {
  // The room comes from the page, so it is checked here; who is asking comes from the session, never from the page.
  static override params = { type: 'object', required: ['room_id'], properties: { room_id: roomId } }

  // What a page may call, and nothing else.
  static override actions = {
    speak: { data: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } } },
    typing: true as const
  }

  #room!: Room

  override async subscribed () {
    const { database } = this.app
    const room = await findRoom(database, this.params.room_id)
    if (room === null || current.user === null || !await hasMember(database, room, current.user)) this.reject()
    this.#room = room
    this.streamFrom(chatStream(room))
  }

  /** Says something. The page gets the message's id as the reply, and the message itself the way everybody does: by the broadcast. */
  async speak (data: { message: string }) {
    const text = cleanText(data.message)
    const problem = textProblem(text)
    if (problem !== null) throw new ActionError(problem, { max: maxLength })
    const message = await this.app.database.transaction(transaction => createMessage(transaction, this.#room, this.speaker, text))
    await this.broadcast(chatStream(this.#room), message)
    return { id: message.id }
  }

  /** Tells the others that something is being typed. Nobody needs to hear that later, so it is not kept. */
  typing () {
    return this.broadcast(chatStream(this.#room), { typing: this.speaker.login }, { history: false })
  }
}
