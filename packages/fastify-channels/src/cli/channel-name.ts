// The name of a channel as somebody types it, and all that follows from it: class, file and stream. Writes nothing.
import { Complaint } from './complaint.ts'

export interface ChannelName {
  /** `ChatRoomChannel`: the class, and the name clients use. */
  readonly className: string
  /** `chat-room-channel`: the file, without its ending. */
  readonly fileName: string
  /** `chat_room`: what the names of its streams begin with. */
  readonly stream: string
}

/** Reads `Chat`, `ChatChannel`, `chat_room` or `ChatRoom`. Throws where no class could be called that. */
export function readChannelName (given: string): ChannelName {
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,99}$/.test(given)) throw new Complaint(`${JSON.stringify(given)} cannot name a channel: begin with a letter, go on with letters, digits, - or _, like Chat or chat_room.`)
  const words = given.split(/[_-]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/).filter(word => word !== '')
  if (words.at(-1)?.toLowerCase() === 'channel') words.pop()
  const [first] = words
  if (first === undefined) throw new Complaint(`${JSON.stringify(given)} says no more than that it is a channel: name it after what it carries, like Chat.`)
  if (words.length === 1 && first.toLowerCase() === 'app') throw new Complaint('AppChannel is the base of all channels of this app: name this one after what it carries, like Chat.')
  return {
    className: `${words.map(word => word[0]!.toUpperCase() + word.slice(1)).join('')}Channel`,
    fileName: `${words.join('-').toLowerCase()}-channel`,
    stream: words.join('_').toLowerCase()
  }
}
