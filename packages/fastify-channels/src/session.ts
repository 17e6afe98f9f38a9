// Who a request belongs to: the session's user id, and the user behind it. Reads only; signs and stores nothing.
import type { FastifyRequest } from 'fastify'
import type { Eventually } from './backend.ts'
import type { User } from './current.ts'
import { within } from './deadline.ts'
import { InvalidOption } from './errors.ts'

/** A user's id as the app has it. */
export type UserId = string | number

/** The session in a signed cookie (guide §5). */
export interface CookieSession {
  /** The cookie's name. */
  readonly cookie: string
  /** From the cookie's verified value to the user's id: look a session up here. Without it the value is the id. */
  readonly userId?: (value: string, request: FastifyRequest) => Eventually<UserId | null | undefined>
  /** Verifies the cookie. By default as @fastify/cookie signs. */
  readonly unsign?: (value: string, request: FastifyRequest) => string | null
}

/** Where the user's id comes from: a signed cookie, or any function of the request (sessions, JWT, Bearer). */
export type SessionOption = CookieSession | ((request: FastifyRequest) => Eventually<UserId | null | undefined>)

/** The id of a request's user, null for a visitor. */
export type ReadSession = (request: FastifyRequest) => Promise<string | null>
/** The user of an id, null when there is none any more. */
export type FindUser = (userId: string) => Promise<User | null>

/** Makes the reader of sessions. Whatever it cannot read is a visitor, not an error; an error is the app's own. */
export function sessionReader (session: SessionOption | undefined, ms: number): ReadSession {
  if (session === undefined) return async () => null
  const read = typeof session === 'function' ? session : cookieReader(session)
  return async request => {
    const id: unknown = await within(ms, 'the session', read(request))
    if (id === null || id === undefined) return null
    // Everybody's `String({})` is the same: an object for an id would make all users one.
    if (typeof id !== 'string' && typeof id !== 'bigint' && !Number.isFinite(id)) throw new TypeError(`the session gave ${typeof id === 'object' ? 'an object' : String(id)} for a user's id; it gives a string, a number or null`)
    return String(id)
  }
}

/** Makes the loader of users. */
export function userFinder (findUser: ((userId: any) => Eventually<User | null | undefined>) | undefined, ms: number): FindUser {
  if (findUser === undefined) return async () => null
  return async userId => await within(ms, 'findUser()', findUser(userId)) ?? null
}

/** The name of the session's cookie; null where a function reads the session. */
export function cookieName (session: SessionOption | undefined): string | null {
  return session === undefined || typeof session === 'function' ? null : session.cookie
}

function cookieReader ({ cookie, userId = value => value, unsign = unsignCookie }: CookieSession) {
  if (typeof cookie !== 'string' || cookie === '') throw new InvalidOption("session.cookie is the name of the session's cookie")
  return (request: FastifyRequest): Eventually<UserId | null | undefined> => {
    const signed = request.cookies[cookie]
    const value = signed === undefined ? null : unsign(signed, request)
    return value === null ? null : userId(value, request)
  }
}

function unsignCookie (signed: string, request: FastifyRequest): string | null {
  const { valid, value } = request.unsignCookie(signed)
  return valid ? value : null
}
