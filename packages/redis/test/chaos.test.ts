// Three processes, twenty publishers, fifty clients, five streams, and twenty connections to Redis that are killed at random meanwhile.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import { Cable } from '@fastify-channels/client/core'
import { test } from 'tap'
import type { Test } from 'tap'
import { WebSocket } from 'ws'
import type { Order, Report } from './chaos-app.ts'
import { Server, until } from './servers.ts'

const streams = ['one', 'two', 'three', '{four}', 'five\n']
const GAP = 'gap'

/** A process with an app. */
async function start (t: Test, server: Server) {
  const child = fork(new URL('chaos-app.ts', import.meta.url), { env: { ...process.env, REDIS_URL: server.url } })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [{ port }] = await once(child, 'message') as [{ port: number }]
  return {
    port,
    say: async (order: Order): Promise<Report> => {
      child.send(order)
      const [report] = await once(child, 'message')
      return report
    },
    tellEnough: () => { child.send('enough') },
    stop: async () => {
      child.send('stop')
      const [code] = await once(child, 'exit')
      return code
    }
  }
}

test('every client hears the same, nothing is missing and nothing comes twice, or a gap was told', async t => {
  const server = await Server.start()
  t.teardown(() => server.stop())
  const apps = await Promise.all([1, 2, 3].map(() => start(t, server)))
  const cables: Cable[] = []
  t.teardown(() => { for (const cable of cables) cable.disconnect() })
  const heard: string[][][] = []
  let confirmed = 0
  for (let client = 0; client < 50; client++) {
    const cable = new Cable({ url: `ws://127.0.0.1:${apps[client % apps.length]!.port}/cable`, WebSocket })
    cables.push(cable)
    heard.push(streams.map(stream => {
      const list: string[] = []
      cable.subscribe('StreamChannel', { stream }, {
        connected: ({ reconnected, gap }: { reconnected: boolean, gap: boolean }) => {
          if (gap) list.push(GAP)
          else if (!reconnected) confirmed++
        },
        received: ({ said }: { said: string }) => { list.push(said) }
      })
      return list
    }))
  }
  await until(() => confirmed === 50 * streams.length)

  const publishers = Array.from({ length: 20 }, (_, index) => index)
  const saying = apps.map((app, index) => app.say({ publishers: publishers.filter(publisher => publisher % apps.length === index), count: 1000, streams }))
  let kills = 0
  while (kills < 20) {
    await pause(Math.random() * 100)
    kills += await server.killOne(Math.random())
  }
  for (const app of apps) app.tellEnough()
  const reports = await Promise.all(saying)
  // The last word of each stream, said until it is taken.
  for (const [index, stream] of streams.entries()) {
    for (let last = 100 * (index + 1); (await apps[0]!.say({ publishers: [last], count: 1, streams: [stream] })).taken.length === 0; last++) await pause(50)
  }
  const isOver = (list: string[]) => list.some(said => /^\d\d\d\/0$/.test(said))
  await until(() => heard.every(lists => lists.every(isOver)), 30_000)

  const taken = reports.flatMap(report => report.taken)
  const refused = reports.reduce((sum, report) => sum + report.refused, 0)
  const all = streams.map((_, index) => heard.map(lists => lists[index]!).reduce((longest, list) => list.length > longest.length ? list : longest).filter(said => said !== GAP))
  let gaps = 0
  let deliveries = 0
  for (const [client, lists] of heard.entries()) {
    for (const [index, list] of lists.entries()) {
      gaps += list.filter(said => said === GAP).length
      deliveries += list.length
      const fault = compare(list, all[index]!)
      if (fault !== null) t.fail(`client ${client}, stream ${index}: ${fault}`)
    }
  }
  const everything = all.flat()
  t.equal(new Set(everything).size, everything.length, 'nothing was said twice')
  t.same(taken.filter(said => !everything.includes(said)), [], 'what was taken was heard')
  t.ok(taken.length > refused, 'most of what was said was taken')
  t.comment(`${kills} kills; ${taken.length} broadcasts taken, ${refused} refused; ${deliveries} deliveries, ${gaps} gaps`)
  for (const cable of cables) cable.disconnect()
  t.same(await Promise.all(apps.map(app => app.stop())), [0, 0, 0], 'no process died')
})

/** What is wrong with a client's list: it is the whole one, or lacks something only where a gap was told. */
function compare (list: readonly string[], whole: readonly string[]): string | null {
  let at = 0
  let isGap = false
  for (const said of list) {
    if (said === GAP) {
      isGap = true
      continue
    }
    const found = whole.indexOf(said, at)
    if (found < 0) return `${said} came twice, or before its turn`
    if (found > at && !isGap) return `${found - at} are missing before ${said}`
    at = found + 1
    isGap = false
  }
  return at < whole.length && !isGap ? `${whole.length - at} are missing at the end` : null
}
