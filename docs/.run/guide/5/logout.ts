// logout.ts
import type { FastifyInstance } from 'fastify'

/** Every socket of this user, in every process. */
export const ban = (app: FastifyInstance, userId: number) => app.cable.disconnect({ userId })

/** Out of one room; the socket stays. */
export const removeFromRoom = (app: FastifyInstance, userId: number, roomId: number) =>
  app.cable.revoke({ userId }, 'RoomChannel', { room_id: roomId })
