// The frames a socket has to write at the end of this turn of the event loop, as a list that sockets share.
import type { Frame } from './frame.ts'

/**
 * An immutable list of frames. Sockets that hear the same frames in the same order hold the very same batch,
 * so a thousand listeners of eight broadcasts cost eight nodes and one joined buffer.
 */
export class Batch {
  readonly #frame: Frame
  readonly #before: Batch | null
  #after: Batch | null = null
  #bytes: Buffer | null = null
  /** Bytes of all its frames. */
  readonly size: number

  constructor (frame: Frame, before: Batch | null = null) {
    this.#frame = frame
    this.#before = before
    this.size = frame.length + (before === null ? 0 : before.size)
  }

  /** This batch and one frame more. */
  with (frame: Frame): Batch {
    if (this.#after?.is(frame)) return this.#after
    this.#after = new Batch(frame, this)
    return this.#after
  }

  /** True when `frame` is its last one. */
  is (frame: Frame): boolean {
    return this.#frame === frame
  }

  /** All frames, the first one first. */
  frames (): Frame[] {
    const frames: Frame[] = []
    for (let node: Batch | null = this; node !== null; node = node.#before) frames.push(node.#frame)
    return frames.reverse()
  }

  /** All frames as one buffer, joined once for everybody. */
  get bytes (): Buffer {
    this.#bytes ??= this.#before === null ? this.#frame : Buffer.concat(this.frames(), this.size)
    return this.#bytes
  }
}
