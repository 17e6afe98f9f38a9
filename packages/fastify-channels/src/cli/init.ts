// `init`: the files that every app with channels has. Installs nothing and changes nothing.
import type { Project } from './project.ts'
import { appChannel, config, roster } from './templates.ts'

/** Guide §2. */
export function init (project: Project): void {
  const { ending } = project
  project.create('channels/app-channel.ts', appChannel())
  project.create('channels/index.ts', roster())
  project.create('config/channels.ts', config(ending))
  project.say(`
Now register the plugin where your app is made:

  import channels from 'fastify-channels'
  import { config } from './config/channels.${ending}'

  await app.register(channels, config)

and write a channel: npx fastify-channels g channel Chat`)
}
