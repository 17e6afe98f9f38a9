// How long to wait before the next attempt to connect. Pure: it neither waits nor counts.

const SHORTEST = 250
const FIRST = 1000
const LONGEST = 30_000
/** A restarting server sends everybody away at once: they come back spread over this time. */
const RESTART = 5000

/** The least milliseconds to stay away after a close code that asks for it, whatever wakes the page. */
export function floorAfter (code: number): number {
  return code === 1008 ? 10_000 : code === 1013 ? 5000 : 0
}

/**
 * Milliseconds to wait: full jitter, so that clients lost together do not come back together.
 *
 * @param attempt - attempts since the connection was last stable
 * @param code - the close code of the lost connection
 * @param isHidden - the page is in the background
 * @param random - numbers from 0 to 1
 * @param spread - over how many milliseconds the server's clients should come back, if it said so
 */
export function delayAfter (attempt: number, code: number, isHidden: boolean, random: () => number, spread?: number): number {
  if (attempt === 0 && (code === 1001 || code === 1012)) return random() * RESTART
  const floor = floorAfter(code) || SHORTEST
  const ceiling = Math.min(LONGEST, (spread! > FIRST ? spread! : FIRST) * 2 ** attempt) * (isHidden ? 2 : 1)
  return floor + random() * Math.max(ceiling - floor, floor)
}
