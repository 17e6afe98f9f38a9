// One after the other per subscription, side by side across subscriptions (DESIGN: the race table). Never rejects.

/** Something that takes its turn; it handles its own failures. */
export type Task = () => Promise<void>

export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `task` at once where nothing else of `key` runs or waits, else after that. Settles when it is done. */
  take (key: string, task: Task): Promise<void> {
    return this.#follow(key, this.#last.get(key), task)
  }

  /** Like `take`, but waits no longer than `ms` for what came before: for an end that nothing may hold back for ever. */
  takeWithin (ms: number, key: string, task: Task): Promise<void> {
    const before = this.#last.get(key)
    if (before === undefined) return this.take(key, task)
    let timer: NodeJS.Timeout
    const patience = new Promise<void>(resolve => { timer = setTimeout(resolve, ms) })
    return this.#follow(key, Promise.race([before, patience]).finally(() => clearTimeout(timer)), task)
  }

  #follow (key: string, before: Promise<void> | undefined, task: Task): Promise<void> {
    const turn = before === undefined ? task() : before.then(task)
    this.#last.set(key, turn)
    return turn.finally(() => {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    })
  }
}
