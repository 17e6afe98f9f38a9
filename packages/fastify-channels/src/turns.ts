// One after the other per subscription, side by side across subscriptions (DESIGN: the race table). Never rejects.

/** Something that takes its turn; it handles its own failures. */
export type Task = () => Promise<void>

export class Turns {
  // Made when somebody takes a turn and dropped when nobody does: most connections are silent most of the time.
  #last: Map<string, Promise<void>> | null = null

  /** Runs `task` at once where nothing else of `key` runs or waits, else after that. Settles when it is done. */
  take (key: string, task: Task): Promise<void> {
    return this.#follow(key, this.#last?.get(key), task)
  }

  /** Like `take`, but waits no longer than `ms` for what came before: for an end that nothing may hold back for ever. */
  takeWithin (ms: number, key: string, task: Task): Promise<void> {
    const before = this.#last?.get(key)
    if (before === undefined || ms === Infinity) return this.take(key, task)
    let timer: NodeJS.Timeout
    const patience = new Promise<void>(resolve => { timer = setTimeout(resolve, ms) })
    return this.#follow(key, Promise.race([before, patience]).finally(() => clearTimeout(timer)), task)
  }

  #follow (key: string, before: Promise<void> | undefined, task: Task): Promise<void> {
    const turn = before === undefined ? task() : before.then(task)
    const last = this.#last ??= new Map()
    last.set(key, turn)
    const forget = () => {
      if (last.get(key) !== turn) return
      last.delete(key)
      if (last.size === 0 && this.#last === last) this.#last = null
    }
    // One promise more for each command is enough.
    turn.then(forget, forget)
    return turn
  }
}
