// A promise that does not wait for ever. Never cancels what it waits for: whoever is late must look whether it still counts.
import { Timeout } from './errors.ts'

/** Settles like `work`, or rejects with a Timeout that names `what` after `ms` milliseconds. */
export async function within<T> (ms: number, what: string, work: T | PromiseLike<T>): Promise<T> {
  if (!isPromise(work) || ms === Infinity) return await work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Timeout(what, ms)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** True for what `await` would wait for. */
export function isPromise<T> (value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null)?.then === 'function'
}
