// The app of the corpus in a process of its own, for the fuzzer and the soak: tells its port, then answers questions about itself.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import process from 'node:process'
import { kConnections } from '../../src/plugin.ts'
import { gates, isPrototypeClean, start, watchProcess } from './app.ts'

const watch = watchProcess()
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const isUnlimited = process.argv.includes('--no-flood-limits')
const { app, log } = await start({ limits: { ...isUnlimited ? { commandRate: false, violations: false } : {} } as object }, () => {}, { logger: { level: 'fatal', stream: { write: () => {} } } })

function report (): object {
  const connections = [...app[kConnections]]
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    connections: connections.length,
    subscriptions: connections.reduce((sum, { subscriptions }) => sum + subscriptions, 0),
    faults: watch.faults.map(String),
    isClean: isPrototypeClean(),
    /** Milliseconds that the event loop was late since the last question, 99 times of 100. */
    late: delay.percentile(99) / 1e6,
    rss,
    heap: heapUsed,
    handles: process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
  }
}

/** Waits until everybody who is gone is gone here as well, but no longer than that could take: what is left then is left behind. */
async function settle (): Promise<object> {
  log.length = 0
  gates.splice(0).forEach(open => open(null))
  const deadline = Date.now() + 20_000
  while ([...app[kConnections]].length > 0 && Date.now() < deadline) await new Promise(resolve => setImmediate(resolve))
  await app[kConnections].ended()
  return report()
}

process.on('message', async question => {
  if (question === 'report') process.send!(report())
  if (question === 'settle') process.send!(await settle())
  if (question === 'report' || question === 'settle') delay.reset()
  if (typeof question === 'object' && question !== null) {
    const { stream, times, data } = question as { stream: string, times: number, data: unknown }
    for (let n = 0; n < times; n++) await app.cable.broadcast(stream, data)
    process.send!({})
  }
})
process.on('disconnect', () => process.exit())
process.send!({ port: (app.server.address() as { port: number }).port })
