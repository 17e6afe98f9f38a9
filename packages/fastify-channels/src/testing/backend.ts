// The promises of the port behind a cable, each as a check that runs on real backends. Belongs to no test runner.
import assert from 'node:assert/strict'
import type { CableBackend, Eventually } from '../backend.ts'
import { historyChecks } from './backend-history.ts'
import { listeningChecks } from './backend-listening.ts'
import { orderChecks } from './backend-order.ts'
import { Process } from './backend-process.ts'

/** What is checked. */
export interface BackendSetup {
  /**
   * Makes backends that were not opened yet and share everything, as two processes of an app do. They are opened and closed here.
   * Without `b`, `a` is a backend for a single process.
   */
  readonly open: () => Eventually<{ readonly a: CableBackend, readonly b?: CableBackend }>
}

/** One promise, and what shows whether it is kept: `run` rejects where it is not. */
export interface BackendCheck {
  readonly name: string
  readonly run: () => Promise<void>
}

/**
 * Checks a backend: every promise `CableBackend` makes.
 *
 * @example
 * for (const { name, run } of checkBackend({ open: () => ({ a: myBackend(), b: myBackend() }) })) test(name, run)
 */
export function checkBackend ({ open }: BackendSetup): BackendCheck[] {
  return [...orderChecks, ...historyChecks, ...listeningChecks].map(([name, check]) => ({
    name,
    run: async () => {
      const backends = await open()
      const a = await Process.open(backends.a)
      const b = backends.b === undefined ? a : await Process.open(backends.b)
      try {
        await check(a, b)
        assert.deepEqual([...a.gaps, ...b.gaps], [], 'a gap was said and nothing was lost')
      } finally {
        await a.close()
        await b.close()
      }
    }
  }))
}
