// What a cable may be told, and as much of a WebSocket as it needs. Nothing here exists at run time.

/** As much of a WebSocket as a cable needs: a browser's, Node's own, or the one of `ws`. */
export interface SocketLike {
  readonly protocol: string
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  send (data: string): void
  close (code?: number): void
}

export interface LinkOptions {
  /** Where the cable is; a path or an http(s) URL will do. Default: `/cable` on the current host. */
  readonly url?: string | undefined
  /** The WebSocket class, where the runtime has none of its own (Node 20: the one of `ws`). */
  readonly WebSocket?: (new (url: string, protocols: string) => SocketLike) | undefined
  /** Attempts to reconnect before it gives up. Default: Infinity. */
  readonly maxAttempts?: number | undefined
  /** Where jitter comes from: numbers from 0 to 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
}

export interface CableOptions extends LinkOptions {
  /** Milliseconds a `perform()` waits for its answer, from the call on. Default: 10,000. */
  readonly timeout?: number | undefined
}
