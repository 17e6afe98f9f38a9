// The promises of a backend, on the one of a single process, on two faces of it, and on ones that break a promise each: there the checks must fail.
import { test } from 'tap'
import type { Position } from '@fastify-channels/protocol'
import type { BackendHost, Broadcast, CableBackend, Publication } from 'fastify-channels'
import { checkBackend } from 'fastify-channels/testing'
import { InProcessBackend } from '../src/in-process.ts'

const budget = 10_000_000

test('the in-process backend keeps every promise', async t => {
  for (const { name, run } of checkBackend({ open: () => ({ a: new InProcessBackend(budget) }) })) await t.resolves(run(), name)
})

test('two backends over one history keep every promise', async t => {
  for (const { name, run } of checkBackend({ open: twins })) await t.resolves(run(), name)
})

const faults: Array<[name: string, fault: (backend: CableBackend) => Partial<CableBackend>, caught: RegExp]> = [
  ['loses one broadcast in ten', backend => ({ open: host => backend.open({ ...host, deliver: every(10, host.deliver, () => {}) }) }), /whole|letter for letter|one order/],
  ['delivers one broadcast in ten twice', backend => ({
    open: host => backend.open({
      ...host,
      deliver: every(10, host.deliver, (...delivery) => {
        host.deliver(...delivery)
        host.deliver(...delivery)
      })
    })
  }), /one order/],
  ['lets a broadcast be overtaken', backend => ({ open: host => backend.open({ ...host, deliver: swapping(host) }) }), /one order/],
  ['writes JSON anew', backend => ({ open: host => backend.open({ ...host, deliver: (stream, broadcast) => host.deliver(stream, { ...broadcast, json: JSON.stringify(JSON.parse(broadcast.json)) }) }) }), /letter for letter/],
  ['forgets who is left out', backend => ({ publish: (stream, json, publication) => backend.publish(stream, json, { ...publication, except: null }) }), /left out/],
  ['forgets who was left out', backend => ({ replay: async (stream, since, upTo) => (await backend.replay(stream, since, upTo))?.map(broadcast => ({ ...broadcast, except: null })) ?? null }), /left out/],
  ['settles publish with the position before', backend => ({ publish: async (...args) => before(await backend.publish(...args)) }), /settles with the position/],
  ['begins to listen one broadcast too late', backend => ({ listen: async stream => after(await backend.listen(stream)) }), /nothing passes unheard|comes next/],
  ['says it listens a position too early', backend => ({ listen: async stream => before(await backend.listen(stream)) }), /nothing passes unheard/],
  ['does not know where it begins to listen', backend => ({
    listen: async stream => {
      await backend.listen(stream)
      return null
    }
  }), /nothing passes unheard/],
  ['does not hear what is said while it begins to listen', backend => deafAtFirst(backend), /nothing passes unheard/],
  ['tells positions in an order of its own', backend => ({ position: async streams => (await backend.position(streams)).toReversed() }), /in the order asked/],
  ['knows no position of a silent stream', backend => ({ position: async streams => (await backend.position(streams)).map(at => at?.endsWith('.0') ? null : at) as Position[] }), /never spoke/],
  ['replays what is left of a history', backend => ({ replay: (stream, since, upTo) => replayWhatIsLeft(backend, stream, since, upTo) }), /not one of them/],
  ['replays the broadcast at the position too', backend => ({ replay: (stream, since, upTo) => since === upTo ? backend.replay(stream, since, upTo) : backend.replay(stream, before(since)!, upTo) }), /replay/],
  ['replays without end', backend => ({
    replay: async (stream, since, upTo) => {
      const [at] = await backend.position([stream])
      return since === upTo ? await backend.replay(stream, since, upTo) : await backend.replay(stream, since, at!)
    }
  }), /between two positions/],
  ['replays nothing', () => ({ replay: () => [] }), /replay/],
  ['keeps one less', backend => withRetention(backend, ({ size, ttl }) => ({ size: size - 1, ttl })), /as many as are kept/],
  ['keeps one more', backend => withRetention(backend, ({ size, ttl }) => ({ size: size + 1, ttl })), /as many as are kept/],
  ['keeps for ever', backend => withRetention(backend, ({ size }) => ({ size, ttl: 1e9 })), /expires/],
  ['keeps everything', backend => ({ publish: (stream, json, publication) => backend.publish(stream, json, { ...publication, history: publication.history ?? { size: 128, ttl: 60_000 } }) }), /no position/],
  ['says a gap where there is none', backend => ({
    open: host => backend.open({
      ...host,
      deliver: every(10, host.deliver, (stream, broadcast) => {
        host.gap(stream, broadcast.at)
        host.deliver(stream, broadcast)
      })
    })
  }), /one order/],
  ['loses control messages', () => ({ control: () => {} }), /control/],
  ['trims control messages', backend => ({ open: host => backend.open({ ...host, control: message => { if (message !== '') host.control(message) } }) }), /control/],
  ['goes on after unlisten', () => ({ unlisten: () => {} }), /silence/],
  ['leaves when it was told to come back', backend => ({
    unlisten: async stream => {
      await null
      await backend.unlisten(stream)
    }
  }), /same breath/],
  ['hears everything', backend => hearingEverything(backend), /does not listen/],
  ['takes two names for one', backend => renaming(backend, stream => stream.normalize().toLowerCase()), /any name/],
  ['cuts names at a newline', backend => renaming(backend, stream => stream.split('\n')[0]!), /any name/],
  ['is well when it is closed', () => ({ health: () => ({ ok: true }) }), /health/],
  ['is never well', () => ({ health: () => ({ ok: false }) }), /health/],
  ['cannot be closed twice', backend => ({ close: once(() => backend.close()) }), /close/],
  ['does not close', () => ({ close: () => {} }), /close/],
  ['takes broadcasts when it is closed', backend => ({ publish: async (...args) => await Promise.resolve(args).then(args => backend.publish(...args)).catch(() => null) }), /close/]
]

for (const [name, fault, caught] of faults) {
  test(`a backend that ${name} is found out`, async t => {
    const failed = []
    for (const { name, run } of checkBackend({ open: () => ({ a: broken(new InProcessBackend(budget), fault) }), patience: 300 })) {
      if (!caught.test(name)) continue
      await run().catch(() => failed.push(name))
    }
    t.not(failed.length, 0, 'at least one check failed')
  })
}

test('two processes that hear two orders are found out', async t => {
  const checks = checkBackend({
    patience: 300,
    open: () => {
      const { a, b } = twins()
      return { a, b: broken(b, backend => ({ open: host => backend.open({ ...host, deliver: swapping(host) }) })) }
    }
  })
  await t.rejects(checks.find(({ name }) => name.includes('one order'))!.run())
})

test('a process that does not hear another one is found out', async t => {
  const failed = []
  for (const { name, run } of checkBackend({ open: () => ({ a: new InProcessBackend(budget), b: new InProcessBackend(budget) }), patience: 300 })) {
    if (/letter for letter|control/.test(name)) await run().catch(() => failed.push(name))
  }
  t.equal(failed.length, 2)
})

type Deliver = BackendHost['deliver']

/** A backend with some of its methods replaced. */
function broken (backend: CableBackend, fault: (backend: CableBackend) => Partial<CableBackend>): CableBackend {
  const whole: CableBackend = {
    open: host => backend.open(host),
    publish: (...args) => backend.publish(...args),
    listen: stream => backend.listen(stream),
    unlisten: stream => backend.unlisten(stream),
    position: streams => backend.position(streams),
    replay: (...args) => backend.replay(...args),
    control: message => backend.control(message),
    health: () => backend.health(),
    close: () => backend.close()
  }
  return { ...whole, ...fault(whole) }
}

/** Two processes in one: what one says, both hear where they listen. */
function twins (): { a: CableBackend, b: CableBackend } {
  const shared = new InProcessBackend(budget)
  const faces = new Map<object, { host: BackendHost, listened: Set<string> }>()
  const spread = (tell: (host: BackendHost, listened: Set<string>) => void) => { for (const { host, listened } of faces.values()) tell(host, listened) }
  const face = (): CableBackend => {
    const key = {}
    const backend = broken(shared, () => ({
      open: host => {
        faces.set(key, { host, listened: new Set() })
        if (faces.size > 1) return
        return shared.open({
          ...host,
          deliver: (stream, broadcast) => spread(({ deliver }, listened) => { if (listened.has(stream)) deliver(stream, broadcast) }),
          control: message => spread(({ control }) => control(message))
        })
      },
      publish: (stream, json, publication) => {
        if (!faces.has(key)) throw Object.assign(new Error('closed'), { code: 'FST_CHANNELS_CABLE_UNAVAILABLE' })
        return shared.publish(stream, json, publication)
      },
      listen: stream => {
        faces.get(key)?.listened.add(stream)
        return shared.listen(stream)
      },
      unlisten: stream => { faces.get(key)?.listened.delete(stream) },
      health: () => ({ ok: faces.has(key) }),
      close: () => {
        faces.delete(key)
        if (faces.size === 0) shared.close()
      }
    }))
    return backend
  }
  return { a: face(), b: face() }
}

/** Does the other thing with every so many a delivery. */
function every (count: number, usual: Deliver, other: Deliver): Deliver {
  let delivered = 0
  return (...delivery) => ++delivered % count === 0 ? other(...delivery) : usual(...delivery)
}

/** Now and then lets the next broadcast of a stream go first. */
function swapping ({ deliver }: BackendHost): Deliver {
  const back = new Map<string, Broadcast>()
  let delivered = 0
  return (stream, broadcast) => {
    const first = back.get(stream)
    back.delete(stream)
    if (first === undefined && ++delivered % 10 === 0) return back.set(stream, broadcast)
    deliver(stream, broadcast)
    if (first !== undefined) deliver(stream, first)
  }
}

function before (at: Position | null): Position | null {
  return at?.replace(/\d+$/, offset => String(Math.max(0, Number(offset) - 1))) ?? null
}

function after (at: Position | null): Position | null {
  return at?.replace(/\d+$/, offset => String(Number(offset) + 1)) ?? null
}

function deafAtFirst (backend: CableBackend): Partial<CableBackend> {
  const deaf = new Set<string>()
  return {
    open: host => backend.open({ ...host, deliver: (stream, broadcast) => { if (!deaf.has(stream)) host.deliver(stream, broadcast) } }),
    listen: async stream => {
      deaf.add(stream)
      const at = await backend.listen(stream)
      await new Promise(resolve => setImmediate(resolve))
      await new Promise(resolve => setImmediate(resolve))
      deaf.delete(stream)
      return at
    }
  }
}

function hearingEverything (backend: CableBackend): Partial<CableBackend> {
  return {
    publish: async (stream, json, publication) => {
      await backend.listen(stream)
      return await backend.publish(stream, json, publication)
    }
  }
}

async function replayWhatIsLeft (backend: CableBackend, stream: string, since: Position, upTo: Position): Promise<readonly Broadcast[] | null> {
  for (let from = since; from !== upTo; from = after(from)!) {
    const kept = await backend.replay(stream, from, upTo)
    if (kept !== null) return kept
    if (Number(from.split('.')[1]) > 1000) return null
  }
  return []
}

function withRetention (backend: CableBackend, change: (retention: NonNullable<Publication['history']>) => NonNullable<Publication['history']>): Partial<CableBackend> {
  return { publish: (stream, json, { history, except }) => backend.publish(stream, json, { history: history === null ? null : change(history), except }) }
}

function renaming (backend: CableBackend, rename: (stream: string) => string): Partial<CableBackend> {
  const names = new Map<string, string>()
  return {
    open: host => backend.open({ ...host, deliver: (stream, broadcast) => host.deliver(names.get(stream)!, broadcast) }),
    publish: (stream, ...rest) => backend.publish(rename(stream), ...rest),
    listen: stream => {
      if (!names.has(rename(stream))) names.set(rename(stream), stream)
      return backend.listen(rename(stream))
    },
    unlisten: stream => backend.unlisten(rename(stream))
  }
}

function once (run: () => unknown): () => Promise<void> {
  let isDone = false
  return async () => {
    if (isDone) throw new Error('it is closed already')
    isDone = true
    await run()
  }
}
