// `g channel Chat`: a channel of the documented shape, and its place in the map of channels. Never touches one that is there.
import { readChannelName } from './channel-name.ts'
import { Complaint } from './complaint.ts'
import type { Project } from './project.ts'
import { addToRoster } from './roster.ts'
import { channel } from './templates.ts'

const index = 'channels/index.ts'
const base = 'channels/app-channel.ts'

/** Guide §3. Everything is checked before anything is written. */
export function generateChannel (project: Project, given: string): void {
  const name = readChannelName(given)
  const roster = project.read(index)
  if (roster === null || project.read(base) === null) throw new Complaint(`There is no ${roster === null ? index : base} here. In the folder of your app, run this first: npx fastify-channels init`)
  const { ending } = project
  const changed = addToRoster(roster, name, ending)
  project.create(`channels/${name.fileName}.ts`, channel(name, ending))
  if (changed === null) project.say(`exists   ${name.className} in ${index}`)
  else project.change(index, changed)
  project.say(`
A page subscribes with:

  import { cable } from '/cable.js'

  const subscription = cable.subscribe('${name.className}', { room: 'general' }, {
    received (data) { show(data.message) }
  })
  subscription.perform('speak', { message: 'hello' })`)
}
