// The close codes of a cable and whether a client comes back after one: the code alone decides (PROTOCOL §5).

/** The codes with a meaning of their own here. */
export const closeCodes = {
  /** The page called `cable.disconnect()`. */
  done: 1000,
  /** The server is stopping or restarting. */
  restart: 1012,
  /** A binary frame: the wire is text. */
  unsupported: 1003,
  /** Too many violations of the protocol. */
  violation: 1008,
  /** The connection itself failed on the server's side. */
  failure: 1011,
  /** Over capacity, or a consumer too slow to follow. */
  overload: 1013,
  /** Membership changed: come back and be authorised again. */
  reauthorize: 4000,
  /** The position in a stream was lost. */
  recover: 4001,
  /** The user of this connection is gone. */
  unauthorized: 4500,
  /** The user logged out. */
  loggedOut: 4501,
  /** Another connection took this one's place. */
  replaced: 4502,
  /** The peer does not speak this protocol. */
  protocol: 4503
} as const

/** True when a client must not come back by itself after this close code. */
export function isTerminal (code: number): boolean {
  return code === 1003 || (code >= 4500 && code <= 4999)
}
