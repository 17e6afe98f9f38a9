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
  /** How long anything may take that must happen, in milliseconds; default 5000. */
  readonly patience?: number
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
export function checkBackend ({ open, patience = 5000 }: BackendSetup): BackendCheck[] {
  return [...orderChecks, ...historyChecks, ...listeningChecks].map(([name, check]) => ({
    name,
    run: async () => {
      const { a, b } = await open()
      const first = await Process.open(a, patience)
      try {
        const second = b === undefined ? first : await Process.open(b, patience)
        try {
          await check(first, second)
          assert.deepEqual([...first.gaps, ...second.gaps], [], 'a gap was said and nothing was lost')
        } finally {
          await second.close()
        }
      } finally {
        await first.close()
      }
    }
  }))
}
