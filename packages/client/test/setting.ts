// What most tests begin with: a scripted server, a cable that speaks to it, and callbacks that can be waited for.
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { ServerOptions } from 'ws'
import { Cable } from '../src/index.ts'
import type { CableOptions, Callbacks } from '../src/index.ts'
import { Inbox, ScriptedServer } from './scripted-server.ts'

/** A socket as the server side would see it if it could look: how many were made. */
export class CountedSocket extends WebSocket {
  static made = 0

  constructor (url: string, protocols: string) {
    super(url, protocols)
    CountedSocket.made++
  }
}

export interface Ear {
  readonly callbacks: Required<Callbacks>
  /** The next callback: its name and what it was told. */
  readonly next: () => Promise<[keyof Callbacks, any]>
  /** Callbacks nobody waited for. */
  readonly rest: ReadonlyArray<[keyof Callbacks, any]>
}

export function ear (): Ear {
  const inbox = new Inbox<[keyof Callbacks, any]>()
  return {
    callbacks: {
      connected: event => inbox.put(['connected', event]),
      disconnected: event => inbox.put(['disconnected', event]),
      received: data => inbox.put(['received', data]),
      rejected: event => inbox.put(['rejected', event])
    },
    next: () => inbox.next(),
    get rest () { return inbox.rest }
  }
}

export async function setting (t: Test, options: CableOptions = {}, serverOptions: ServerOptions = {}): Promise<{ server: ScriptedServer, cable: Cable }> {
  const server = await ScriptedServer.start(serverOptions)
  const cable = new Cable({ url: server.url, WebSocket, random: () => 0, ...options })
  t.teardown(async () => {
    cable.disconnect()
    await server.close()
  })
  return { server, cable }
}

/** `connected` for the first time. */
export const first = { reconnected: false, recovered: null, gap: false }

/** What a promise that must fail fails with. */
export function failure (promise: Promise<unknown>): Promise<unknown> {
  return promise.then(value => { throw new Error(`it did not fail, but gave ${JSON.stringify(value)}`) }, (error: unknown) => error)
}
