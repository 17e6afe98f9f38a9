// What a call is refused with, and the way a page's own errors come to light. Throws nothing itself.

/** Why a call got no answer, or which answer the server refused it with. */
export class CableError extends Error {
  override readonly name = 'CableError'
  /** The server's reason, or `timeout`, `disconnected`, `unsubscribed`, `rejected`, `overflow`. */
  readonly reason: string
  /** What the server sent along with its reason. */
  readonly data: unknown

  constructor (reason: string, data?: unknown) {
    super(reason)
    this.reason = reason
    this.data = data
  }
}

/** Makes an error visible without ending what is going on; a server process must not die of a page's callback. */
export function report (error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  else console.error(error)
}
