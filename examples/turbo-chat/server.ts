// The process: opens the database, builds the app, listens, and says where to go.
import { buildApp } from './app.ts'
import { openDatabase } from './database.ts'

const { PORT = '3000', HOST = 'localhost', DATA_DIR, COOKIE_SECRET, NODE_ENV } = process.env
const isProduction = NODE_ENV === 'production'
if (isProduction && COOKIE_SECRET === undefined) throw new Error('COOKIE_SECRET is needed in production: a long random text that stays the same from one start to the next')

const database = await openDatabase(DATA_DIR)
const app = await buildApp({ database, secret: COOKIE_SECRET, isProduction, logger: { level: isProduction ? 'info' : 'warn' } })
app.addHook('onClose', () => database.close())
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())

await app.listen({ port: Number(PORT), host: HOST })
console.log(`The house is open: http://${HOST}:${PORT}
Go in with two browsers, under any name, and write, edit and delete. None of it takes a line of this app's own JavaScript.
${DATA_DIR === undefined ? 'Messages live in memory; set DATA_DIR to a folder to keep them.' : `Messages are kept in ${DATA_DIR}.`}`)
