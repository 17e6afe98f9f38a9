// The command line: reads the words, runs what they name, and turns a complaint into a sentence and an exit code. Never ends the process.
import { parseArgs } from 'node:util'
import { Complaint } from './complaint.ts'
import { generateChannel } from './generate-channel.ts'
import { init } from './init.ts'
import { Project } from './project.ts'
import type { Place } from './project.ts'

/** Where the command was typed, and whom it speaks to. */
export interface Shell extends Place {
  readonly complain: (line: string) => void
}

const usage = `npx fastify-channels <command>

  init               makes channels/app-channel.ts, channels/index.ts and config/channels.ts
  g channel <Name>   makes channels/<name>-channel.ts and adds it to channels/index.ts

Both work in the folder you are in, and overwrite nothing.`

/** Runs one command. Returns the exit code: 0, or 1 after a complaint. */
export function run (words: readonly string[], shell: Shell): number {
  try {
    const { help, command } = read(words)
    if (help) shell.say(usage)
    else dispatch(command, new Project(shell))
    return 0
  } catch (error) {
    shell.complain(sentence(error))
    return 1
  }
}

function read (words: readonly string[]): { help: boolean, command: string[] } {
  const { values, positionals } = parseArgs({ args: [...words], options: { help: { type: 'boolean', short: 'h', default: false } }, allowPositionals: true })
  return { help: values.help, command: positionals }
}

function dispatch ([command, ...rest]: string[], project: Project): void {
  if (command === 'init' && rest.length === 0) return init(project)
  if (command === 'g' || command === 'generate') {
    const [kind, name, ...more] = rest
    if (kind === 'channel' && name !== undefined && more.length === 0) return generateChannel(project, name)
    throw new Complaint(`${command} makes a channel, and wants to know its name: npx fastify-channels ${command} channel Chat`)
  }
  throw new Complaint(command === undefined ? usage : `There is no command "${[command, ...rest].join(' ')}".\n\n${usage}`)
}

/** What can go wrong is the typed words' or the disk's; both speak for themselves, anything else shows where it comes from. */
function sentence (error: unknown): string {
  const { code = '', message, stack } = error as NodeJS.ErrnoException
  if (error instanceof Complaint) return message
  if (code.startsWith('ERR_PARSE_ARGS')) return `${message}\n\n${usage}`
  return /^E[A-Z]+$/.test(code) ? message : stack!
}
