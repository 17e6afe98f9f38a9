// Hostile text frames over a real port, in both dialects: each row of the corpus gets its exact answers, and nobody else notices.
import tap from 'tap'
import type { Test } from 'tap'
import { alarms, gates, isPrototypeClean, ran, start, until, watchProcess } from './corpus/app.ts'
import type { Setting } from './corpus/app.ts'
import { opcodes, Peer } from './corpus/raw.ts'
import { forget, rows } from './corpus/texts.ts'
import type { Row, Said } from './corpus/texts.ts'

const protocols = { plain: null, 'channels-v1': 'channels-v1' } as const

/** A socket that hears frames of either dialect as the plain one says them. */
class Ear {
  readonly peer: Peer
  /** channels-v1: which subscriptions listen to a stream. */
  readonly #streams = new Map<string, Map<string, Said>>()

  private constructor (peer: Peer) {
    this.peer = peer
  }

  static async open (port: number, protocol: string | null): Promise<Ear> {
    return new Ear(await Peer.open(port, { 'Sec-WebSocket-Protocol': protocol }))
  }

  say (texts: readonly string[]): void {
    this.peer.say(...texts)
  }

  async hear (count: number): Promise<Said[]> {
    const heard: Said[] = []
    while (heard.length < count) heard.push(...this.#plain(await this.peer.nextText()))
    return heard
  }

  /** Everything that is still on its way: the answer to a ping comes after it. */
  async rest (): Promise<Said[]> {
    this.peer.write(pingFrame)
    const heard: Said[] = []
    for (let next = await this.peer.next(); next.opcode !== opcodes.pong; next = await this.peer.next()) heard.push(...this.#plain(JSON.parse(next.payload.toString())))
    return heard
  }

  #plain (frame: Said): Said[] {
    const { type, channel, params, stream, data } = frame
    if (type === 'confirm_subscription' && frame.streams !== undefined) {
      for (const name of Object.keys(frame.streams)) {
        if (!this.#streams.has(name)) this.#streams.set(name, new Map())
        this.#streams.get(name)!.set(JSON.stringify([channel, params]), { channel, params })
      }
      return [{ type, channel, params }]
    }
    if (type === 'broadcast') return [...this.#streams.get(stream)?.values() ?? [{ unexpected: stream }]].map(to => ({ type: 'message', ...to, data }))
    return [frame]
  }
}

const pingFrame = Buffer.from([0x89, 0x80, 0, 0, 0, 0])

const confirmed = (room: string): Said => ({ type: 'confirm_subscription', channel: 'ChatChannel', params: { room } })
const subscribe = (room: string) => JSON.stringify({ command: 'subscribe', channel: 'ChatChannel', params: { room } })

async function enter (ear: Ear, state: Row['state']): Promise<void> {
  if (state === 'S1') ear.say([subscribe('general')])
  if (state === 'Odd') ear.say(['{"command":"subscribe","channel":"OddChannel"}'])
  if (state !== 'S0') await ear.hear(1)
}

const sorted = (frames: readonly Said[]) => frames.map(frame => JSON.stringify(frame)).sort()

async function run (t: Test, { log, port, connections }: Setting, protocol: string | null, row: Row): Promise<void> {
  forget()
  const before = alarms(log).length
  const others = connections()
  const ear = await Ear.open(port, protocol)
  t.teardown(() => ear.peer.destroy())
  await enter(ear, row.state)
  ear.say(row.say)
  if (row.hangUp) {
    await until(() => connections() > others)
    await until(() => Object.entries(row.ran ?? {}).some(([, times]) => times > 0) && ran.size > 0)
    ear.peer.destroy()
  } else {
    const heard = await ear.hear(row.hear.length)
    ear.say([...row.leave ?? [], subscribe('fence')])
    heard.push(...await ear.hear(1), ...await ear.rest())
    const expected = [...row.hear, confirmed('fence')]
    t.notMatch(JSON.stringify(heard), /SELECT|packages\/|\.ts:|node:internal/, 'nothing of the app’s inside is told')
    if (row.anyOrder) t.same(sorted(heard), sorted(expected), 'the answers, in any order, and the socket answers row 1')
    else t.same(heard, expected, 'the answers, and the socket answers row 1')
  }
  await until(() => Object.entries(row.ran ?? {}).every(([what, times]) => (ran.get(what) ?? 0) >= times))
  for (const [what, times] of Object.entries(row.ran ?? {})) t.equal(ran.get(what) ?? 0, times, `${what} ran ${times} times`)
  t.equal(alarms(log).length - before, row.alarms ?? 0, 'the log has its error lines, and no more')
  t.ok(isPrototypeClean(), 'the prototype of everything is clean')
  ear.peer.destroy()
  await until(() => connections() === others)
}

for (const [dialect, protocol] of Object.entries(protocols)) {
  tap.test(`hostile words get their exact answers (${dialect})`, async t => {
    const setting = await start()
    const watch = watchProcess()
    const bystander = await Ear.open(setting.port, protocol)
    t.teardown(async () => {
      bystander.peer.destroy()
      watch.stop()
      await setting.app.close()
    })
    bystander.say([subscribe('bystander')])
    t.same(await bystander.hear(1), [confirmed('bystander')])
    for (const row of rows) {
      await t.test(`row ${row.row}: ${row.about}`, async t => {
        await run(t, setting, protocol, row)
        await setting.app.cable.broadcast('chat_bystander', { after: row.row })
        t.same(await bystander.hear(1), [{ type: 'message', channel: 'ChatChannel', params: { room: 'bystander' }, data: { after: row.row } }], 'somebody else heard nothing of it')
        t.same(watch.faults.splice(0), [], 'the process saw nothing')
      })
    }
    t.notOk(setting.log.some(({ msg }) => msg.includes('\n')), 'every line of the log is one line')
    t.equal(gates.length, 0)
  })
}
