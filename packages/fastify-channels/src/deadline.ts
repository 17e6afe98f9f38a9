// A promise that does not wait for ever. Never cancels what it waits for: whoever is late must look whether it still counts.
import { Timeout } from './errors.ts'

/**
 * Settles like `work`, or rejects with a Timeout that names `what` after `ms` milliseconds. What is there already is handed back as it is.
 * @param isHolding whether the wait keeps the process alive
 */
export function within<T> (ms: number, what: string, work: T | PromiseLike<T>, isHolding = false): T | Promise<T> {
  if (!isPromise(work)) return work
  if (ms === Infinity) return Promise.resolve(work)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Timeout(what, ms)), ms)
    if (!isHolding) timer.unref()
    work.then(value => {
      clearTimeout(timer)
      resolve(value)
    }, error => {
      clearTimeout(timer)
      reject(error)
    })
  })
}

/** True for what `await` would wait for. */
export function isPromise<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}
