// Time, sockets and a page that do only what a test says: for what takes hours, or chance, on real ones.
import { setMaxListeners } from 'node:events'
import { mock } from 'node:test'
import type { Test } from 'tap'
import { Cable } from '../src/index.ts'
import type { CableOptions, SocketLike } from '../src/index.ts'

/** A socket whose server is the test itself. Its frames arrive at once. */
export class Puppet implements SocketLike {
  /** All that were made since the last `perform()`. */
  static made: Puppet[] = []

  static get last (): Puppet {
    return Puppet.made.at(-1)!
  }

  readonly url: string
  readonly madeAt = Date.now()
  readonly sent: any[] = []
  protocol = ''
  isOpen = false
  closedWith: number | undefined
  onopen: SocketLike['onopen'] = null
  onmessage: SocketLike['onmessage'] = null
  onclose: SocketLike['onclose'] = null
  onerror: SocketLike['onerror'] = null

  constructor (url: string) {
    this.url = url
    Puppet.made.push(this)
  }

  send (text: string): void {
    this.sent.push(JSON.parse(text))
  }

  close (code?: number): void {
    this.closedWith = code
  }

  open (protocol = 'channels-v1'): this {
    this.protocol = protocol
    this.isOpen = true
    this.onopen?.({})
    return this
  }

  say (...frames: object[]): void {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) })
  }

  /** Confirms every subscribe that has no answer yet. */
  confirm (streams: object = {}, recovered: boolean | null = null): void {
    for (const { command, channel, params, ref } of this.sent.splice(0)) {
      if (command === 'subscribe') this.say({ type: 'confirm_subscription', channel, params, ref, streams, recovered })
    }
  }

  lose (code = 1006, reason = ''): void {
    this.onclose?.({ code, reason })
  }
}

/** Puts the clock and the sockets into the hands of the test. */
export function puppetry (t: Test, options: CableOptions = {}): { cable: Cable, tick: (ms: number) => void, page: Page } {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_000 })
  Puppet.made = []
  const page = new Page(t)
  const cable = new Cable({ url: 'ws://x/cable', WebSocket: Puppet, random: () => 1, ...options })
  t.teardown(() => {
    cable.disconnect()
    mock.timers.reset()
  })
  return { cable, tick: ms => mock.timers.tick(ms), page }
}

/** As much of a window as a cable looks at. */
export class Page extends EventTarget {
  readonly document = { hidden: false }
  readonly heard = new Map<string, number>()

  constructor (t: Test) {
    super()
    setMaxListeners(0, this)
    const globals: { [name: string]: unknown } = {
      addEventListener: (type: string, listener: any) => { this.heard.set(type, (this.heard.get(type) ?? 0) + 1); this.addEventListener(type, listener) },
      removeEventListener: (type: string, listener: any) => { this.heard.delete(type); this.removeEventListener(type, listener) },
      document: this.document
    }
    for (const [name, value] of Object.entries(globals)) Object.defineProperty(globalThis, name, { value, configurable: true })
    t.teardown(() => { for (const name of Object.keys(globals)) delete (globalThis as any)[name] })
  }

  fire (type: string, about: object = {}): void {
    this.dispatchEvent(Object.assign(new Event(type), about))
  }
}
