// Starts the cluster on two neighbouring ports, says where it is, and ends it when it is told to.
import { password } from '../chat/database.ts'
import { startCluster } from './cluster.ts'

const port = Number(process.env.PORT ?? 3000)

try {
  const cluster = await startCluster([port, port === 0 ? 0 : port + 1])
  const told = new Promise<null>(resolve => { for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => resolve(null)) })
  const [one, other] = cluster.urls
  console.log(`The chat is open in two processes: ${one} and ${other}
They share one Redis and one database. Log in as ana on the one, as ben on the other, and talk. Everybody's password is "${password}".
A browser has one session for both ports: take two browsers, or a private window for the second.`)
  const problem = await Promise.race([told, cluster.broken])
  await cluster.close()
  if (problem !== null) throw problem
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
