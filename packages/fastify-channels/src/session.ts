// Who a request belongs to: the session's user id, and the user behind it. Reads only; signs and stores nothing.
import { isObject } from '@fastify-channels/protocol'
import type { FastifyRequest } from 'fastify'
import type { Eventually } from './backend.ts'
import type { User } from './current.ts'
import { isPromise, within } from './deadline.ts'
import { InvalidOption } from './errors.ts'

/** A user's id as the app has it. */
export type UserId = string | number

/** What an app may say of a session, where the user's id alone is not enough. */
export interface SessionAnswer {
  readonly userId: UserId
  /** The session's own id, for `app.cable.disconnect({ sessionId })`; with a cookie its verified value. */
  readonly id?: string | undefined
  /** When it ends by itself (milliseconds, as `Date.now()` counts, or a Date): the connection is closed then, and authorised anew if it comes back. */
  readonly expiresAt?: number | Date | null | undefined
}

type Answer = Eventually<UserId | SessionAnswer | null | undefined>

/** What any kind of session may have besides. */
export interface SessionChecks {
  /** Asked once a minute for all open connections together: of these session ids, those that are still valid. The others are closed (4501). */
  readonly check?: (ids: readonly string[]) => Eventually<Iterable<string>>
}

/** The session in a signed cookie (guide §5). */
export interface CookieSession extends SessionChecks {
  /** The cookie's name. */
  readonly cookie: string
  /** From the cookie's verified value to the user's id: look a session up here. Without it the value is the id. */
  readonly userId?: (value: string, request: FastifyRequest) => Answer
  /** Verifies the cookie. By default as @fastify/cookie signs. */
  readonly unsign?: (value: string, request: FastifyRequest) => string | null
}

/** Where the user's id comes from: a signed cookie, or any function of the request (sessions, JWT, Bearer). */
export type SessionOption = CookieSession | ((request: FastifyRequest) => Answer)

/** Who a request belongs to. */
export interface Session {
  /** Null for a visitor. */
  readonly userId: string | null
  readonly id: string | null
  /** Milliseconds, as `Date.now()` counts. */
  readonly expiresAt: number | null
}

/** A visitor nobody knows. */
export const anonymous: Session = { userId: null, id: null, expiresAt: null }

export type ReadSession = (request: FastifyRequest) => Promise<Session>
/** The user of an id, null when there is none any more. */
export type FindUser = (userId: string) => Eventually<User | null>

/** Makes the reader of sessions. Whatever it cannot read is a visitor, not an error; an error is the app's own. */
export function sessionReader (session: SessionOption | undefined, ms: number): ReadSession {
  if (session === undefined) return async () => anonymous
  const read = typeof session === 'function' ? session : cookieReader(session)
  return async request => toSession(await within(ms, 'the session', read(request)))
}

function toSession (answer: UserId | SessionAnswer | null | undefined): Session {
  if (answer === null || answer === undefined) return anonymous
  const { userId, id = null, expiresAt = null } = toAnswer(answer)
  // Everybody's `String({})` is the same: an object for an id would make all users one.
  if (typeof userId !== 'string' && typeof userId !== 'bigint' && !Number.isFinite(userId)) throw new TypeError(`the session gave ${typeof userId === 'object' ? 'an object' : String(userId)} for a user's id; it gives a string, a number or null`)
  return { userId: String(userId), id, expiresAt: expiresAt === null ? null : Number(expiresAt) }
}

function toAnswer (answer: UserId | SessionAnswer): SessionAnswer {
  return isObject(answer) ? answer as unknown as SessionAnswer : { userId: answer as UserId }
}

/** Makes the loader of users. */
export function userFinder (findUser: ((userId: any) => Eventually<User | null | undefined>) | undefined, ms: number): FindUser {
  if (findUser === undefined) return () => null
  return userId => {
    const found = within(ms, 'findUser()', findUser(userId))
    return isPromise(found) ? found.then(user => user ?? null) : found ?? null
  }
}

/** The name of the session's cookie; null where a function reads the session. */
export function cookieName (session: SessionOption | undefined): string | null {
  return session === undefined || typeof session === 'function' ? null : session.cookie
}

function cookieReader ({ cookie, userId = value => value, unsign = unsignCookie }: CookieSession) {
  if (typeof cookie !== 'string' || cookie === '') throw new InvalidOption("session.cookie is the name of the session's cookie")
  return async (request: FastifyRequest): Promise<UserId | SessionAnswer | null> => {
    const signed = request.cookies[cookie]
    const value = signed === undefined ? null : unsign(signed, request)
    const answer = value === null ? null : await userId(value, request) ?? null
    return answer === null ? null : { id: value!, ...toAnswer(answer) }
  }
}

function unsignCookie (signed: string, request: FastifyRequest): string | null {
  const { valid, value } = request.unsignCookie(signed)
  return valid ? value : null
}
