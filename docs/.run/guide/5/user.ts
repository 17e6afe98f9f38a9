// user.ts
import { current } from 'fastify-channels'
import type { User } from './models.ts'

declare module 'fastify-channels' {
  interface Register { user: User }
}

export const login = (): string | undefined => current.user?.login
