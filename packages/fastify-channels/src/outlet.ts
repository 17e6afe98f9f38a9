// The way out of one connection: a socket that takes broadcasts while its peer follows, and leaves them to history while it does not.
import { closeCodes } from '@fastify-channels/protocol'
import type { Dialect, Position } from '@fastify-channels/protocol'
import type { WebSocket } from 'ws'
import { Backlog } from './backlog.ts'
import { inflates } from './deflate.ts'
import type { Follower } from './follower.ts'
import type { Frame } from './frame.ts'
import type { Listening } from './listening.ts'
import { Socket } from './socket.ts'
import type { QueueLimits } from './socket.ts'

/** What a peer too slow to follow hears of broadcasts that history does not keep: the latest of them, or the end of its connection. */
export type SlowPolicy = 'latest' | 'close'

/** What all outlets of an app share. */
export interface Pacing {
  readonly listening: Listening
  readonly limits: QueueLimits
  readonly slowPolicyOf: (stream: string) => SlowPolicy
}

export class Outlet extends Socket implements Follower {
  readonly #pacing: Pacing
  #backlog: Backlog | null = null
  readonly dialect: Dialect
  readonly isDeflated: boolean
  tab: string | null = null
  isSlow = false

  constructor (ws: WebSocket, dialect: Dialect, pacing: Pacing) {
    super(ws, pacing.limits)
    this.#pacing = pacing
    this.dialect = dialect
    this.isDeflated = inflates(ws)
  }

  get room (): number {
    return this.isSlow ? 0 : this.#pacing.limits.sendQueueSoft - this.queued
  }

  // Without a lane only a dialect asks that has one for a whole stream.
  hears (stream: string, lane = this.dialect.lane({ channel: '', params: {} })): boolean {
    return this.#pacing.listening.hears(stream, lane, this)
  }

  sentUpTo (stream: string): Position | null {
    const left = this.#backlog?.leftAt(stream)
    return left === undefined ? this.#pacing.listening.position(stream) : left
  }

  misses (stream: string, lane: string, before: Position | null, at: Position | null, frame: Frame): boolean {
    const backlog = this.#backlog!
    // Nothing overtakes what waits, and the latest replaces what was the latest.
    if (!this.isCongested && !backlog.has(stream) && (at !== null || !backlog.owesLatest(stream))) return false
    if (at !== null && this.dialect.isStamped) {
      if (!backlog.has(stream)) backlog.leaveAt(stream, before)
    } else if (at === null && this.#pacing.slowPolicyOf(stream) === 'latest') {
      backlog.keepLatest(stream, lane, frame)
    } else {
      // Nobody could tell it later what it missed.
      this.close(closeCodes.overload, 'too slow')
    }
    return true
  }

  leaveAt (stream: string, at: Position): void {
    this.congested()
    this.#backlog!.leaveAt(stream, at)
    this.drained()
  }

  begin (stream: string, lane: string): void {
    this.#backlog?.begin(stream, lane)
  }

  owesLatest (stream: string): boolean {
    return this.#backlog?.owesLatest(stream) ?? false
  }

  forget (stream: string): void {
    this.#backlog?.forget(stream)
  }

  override close (code: number, reason: string): void {
    super.close(code, reason)
    this.#backlog?.clear()
  }

  protected override congested (): void {
    this.isSlow = true
    this.#backlog ??= new Backlog(this, this.#pacing.listening, this.#pacing.limits.sendQueueSoft)
  }

  protected override drained (): void {
    this.#backlog!.catchUp().then(isDone => { if (isDone) this.isSlow = this.isCongested || !this.#backlog!.isEmpty }, () => this.close(closeCodes.failure, 'error'))
  }
}
