// What makes two subscriptions the same one: the channel's name and its params, whatever the order of their keys.
import type { Json, Params } from './json.ts'

/** The same value with the keys of every object sorted, at every depth. */
export function canonical (value: Json): Json {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.keys(value).sort().map(key => [key, canonical(value[key]!)]))
}

/** The key of a subscription within its connection (PROTOCOL §1.3). Server and client use this one function. */
export function identify (channel: string, params: Params): string {
  // The array keeps a channel called 'A{}' apart from a channel 'A' with params {}.
  return JSON.stringify([channel, canonical(params)])
}
