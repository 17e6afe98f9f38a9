// Asks Redis where streams stand and what they still have: what is asked in one turn goes in few questions. Judges no answer.
import type { Commands } from './commands.ts'
import { newEpoch, readEnvelope } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import type { Place } from './heard.ts'
import type { StreamKeys } from './keys.ts'
import { read } from './scripts.ts'

/** Streams of one question; each may bring a whole history. */
const BATCH = 64

/** Where a stream stands, and the envelopes asked for that are still there. */
export interface Found {
  readonly at: Place
  readonly kept: readonly Envelope[]
}

interface Question {
  readonly keys: StreamKeys
  readonly args: readonly [epoch: string, after: number | '', upTo: number | '']
  readonly resolve: (found: Found) => void
  readonly reject: (error: unknown) => void
}

export class Reader {
  readonly #commands: Commands
  readonly #app: string
  readonly #byPart = new Map<number, Question[]>()

  constructor (commands: Commands, app: string) {
    this.#commands = commands
    this.#app = app
  }

  /** Where a stream stands; with an epoch, what it has of that after one offset and up to another. */
  ask (keys: StreamKeys, epoch = '', after: number | '' = '', upTo: number | '' = ''): Promise<Found> {
    return new Promise((resolve, reject) => {
      if (this.#byPart.size === 0) process.nextTick(() => this.#flush())
      const part = this.#commands.isSharded ? keys.part : 0
      const questions = this.#byPart.get(part)
      const question: Question = { keys, args: [epoch, after, upTo], resolve, reject }
      if (questions === undefined) this.#byPart.set(part, [question])
      else questions.push(question)
    })
  }

  #flush (): void {
    const all = [...this.#byPart]
    this.#byPart.clear()
    for (const [part, questions] of all) {
      for (let from = 0; from < questions.length; from += BATCH) this.#send(part, questions.slice(from, from + BATCH))
    }
  }

  #send (part: number, questions: readonly Question[]): void {
    const keys = questions.flatMap(({ keys: { meta, history, epoch } }) => [meta, history, epoch])
    this.#commands.run(read, part, keys, [newEpoch(), ...questions.flatMap(({ args }) => args)]).then(reply => {
      const answers = reply as Array<[epoch: string, offset: string, kept: string[]]>
      for (const [index, { resolve }] of questions.entries()) {
        const [epoch, offset, kept] = answers[index]!
        resolve({ at: { epoch, offset: Number(offset) }, kept: kept.map(text => readEnvelope(this.#app, Buffer.from(text))).filter(envelope => envelope !== null) })
      }
    }).catch(error => { for (const { reject } of questions) reject(error) })
  }
}
