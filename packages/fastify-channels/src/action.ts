// Runs one action of a channel for its caller: checks the name, the data and the reply around the app's method. Never throws its errors at a stranger.
import type { Outcome } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { encodePayload } from './cable.ts'
import type { Channel } from './channel.ts'
import { ActionError } from './errors.ts'
import type { Registration } from './registry.ts'
import { isInvalidAction } from './surface.ts'

/** Runs the app's method as the current user; settles with what the method gives. */
export type Run = (method: () => unknown) => unknown

/** The outcome of calling `name` with `data` on `channel`. Rejects only where `run` itself refuses to run anything. */
export async function act (registration: Registration, channel: Channel<any>, name: unknown, data: unknown, run: Run): Promise<Outcome> {
  if (isInvalidAction(name)) return refused('invalid_action')
  const action = registration.actions.get(name as string)
  if (action === undefined) return refused('unknown_action')
  const checked = action.data === null ? { ok: true as const, value: data } : action.data(data)
  if (!checked.ok) return refused('invalid_data')
  const value = await run(() => action.method.call(channel, checked.value)) ?? null
  const json = value === null ? 'null' : encodePayload(value)
  if (action.reply === null) return { ok: true, json }
  // What is checked is what leaves: a toJSON() has spoken by now.
  const replied = action.reply(JSON.parse(json))
  if (!replied.ok) throw new TypeError(`${registration.name}.${String(name)}() returned what its reply schema does not allow`, { cause: replied.error })
  return { ok: true, json: JSON.stringify(replied.value ?? null) }
}

/** What the caller is told of a failure. Only an ActionError speaks to strangers; anything else is for the log (guide §15). */
export function failed (error: unknown, action: unknown, log: FastifyBaseLogger): Outcome {
  try {
    if (error instanceof ActionError) return { ok: false, reason: String(error.reason), json: error.data === undefined ? undefined : encodePayload(error.data) }
  } catch (unencodable) {
    error = unencodable
  }
  log.error({ err: error, action }, 'an action failed')
  return refused('error')
}

function refused (reason: string): Outcome {
  return { ok: false, reason }
}
