// The database that the examples of the guide stand on: a few people, rooms and messages, kept in memory.
import { randomUUID } from 'node:crypto'

export interface User { readonly id: number, readonly login: string }
export interface Message { readonly id: number, readonly roomId: number, readonly sender: string, readonly text: string }

export class Room {
  readonly id: number
  readonly name: string
  readonly #members: ReadonlySet<number>

  constructor (id: number, name: string, members: readonly number[]) {
    this.id = id
    this.name = name
    this.#members = new Set(members)
  }

  hasMember (user: User | null): boolean {
    return user !== null && this.#members.has(user.id)
  }
}

const people = new Map<number, User>([[1, { id: 1, login: 'ana' }], [2, { id: 2, login: 'ben' }], [3, { id: 3, login: 'cleo' }]])
const places = new Map([[42, new Room(42, 'Kitchen', [1, 2])]])
const said: Message[] = []
const open = new Map<string, number>()

export const users = {
  find: async (id: string | number) => people.get(Number(id)) ?? null,
  called: async (login: string) => [...people.values()].find(user => user.login === login) ?? null
}

export const rooms = {
  find: async (id: string | number) => places.get(Number(id)) ?? null
}

export const messages = {
  in: async (roomId: number) => said.filter(message => message.roomId === roomId),
  create: async (roomId: number, author: User, text: string) => {
    const message = { id: said.length + 1, roomId, sender: author.login, text }
    said.push(message)
    return message
  }
}

export const sessions = {
  start: (user: User) => {
    const id = randomUUID()
    open.set(id, user.id)
    return id
  },
  userId: (id: string) => open.get(id) ?? null,
  end: (id: string) => open.delete(id)
}
