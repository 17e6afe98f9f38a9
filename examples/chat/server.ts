// The process: opens the database, builds the app, listens, and says where to go.
import { redisCable } from '@fastify-channels/redis'
import { buildApp } from './app.ts'
import { openDatabase, password } from './database.ts'

const { PORT = '3000', HOST = 'localhost', DATA_DIR, DATABASE_URL, REDIS_URL, COOKIE_SECRET, NODE_ENV } = process.env
const isProduction = NODE_ENV === 'production'
if (isProduction && COOKIE_SECRET === undefined) throw new Error('COOKIE_SECRET is needed in production: a long random text that stays the same from one start to the next')

const database = await openDatabase(DATABASE_URL ?? DATA_DIR)
const app = await buildApp({
  database,
  secret: COOKIE_SECRET,
  cable: REDIS_URL === undefined ? undefined : redisCable({ url: REDIS_URL, prefix: 'lantern:cable:' }),
  isProduction,
  logger: { level: isProduction ? 'info' : 'warn' }
})
app.addHook('onClose', () => database.close())
// Ends when it is told to, or when whoever started it as a part of something bigger is gone.
for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(event, () => app.close())
process.channel?.unref()

const { port } = new URL(await app.listen({ port: Number(PORT), host: HOST }))
const url = `http://${HOST}:${port}`
if (process.send !== undefined) process.send({ url })
else {
  console.log(`The chat is open: ${url}
Log in as ana, ben or cleo in two browsers and talk. Everybody's password is "${password}".
${DATABASE_URL !== undefined ? 'Messages are kept in the database at DATABASE_URL.' : DATA_DIR !== undefined ? `Messages are kept in ${DATA_DIR}.` : 'Messages live in memory; set DATA_DIR to a folder to keep them.'}`)
}
