// A Postgres for this demonstration: PGlite behind a socket that any driver can speak to. One session serves all, so it gives everybody their turn.
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { PGlite } from '@electric-sql/pglite'

const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const CANCEL_REQUEST = 80877102
/** AuthenticationOk, what every driver wants to know of its server, and ReadyForQuery. */
const welcome = Buffer.concat([
  message('R', Buffer.alloc(4)),
  ...[['server_version', '17'], ['client_encoding', 'UTF8'], ['DateStyle', 'ISO, MDY'], ['TimeZone', 'UTC'], ['integer_datetimes', 'on'], ['standard_conforming_strings', 'on']]
    .map(pair => message('S', Buffer.from(`${pair.join('\0')}\0`))),
  message('Z', Buffer.from('I'))
])

/** A database that listens on 127.0.0.1, until it is closed. */
export interface Served {
  /** For DATABASE_URL. */
  readonly url: string
  close: () => Promise<void>
}

/** Opens a database in a folder, or in memory, and serves it. Trusts whoever can reach it. */
export async function servePostgres (folder = 'memory://'): Promise<Served> {
  const database = await PGlite.create(folder)
  const turns = new Turns()
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    serve(socket, database, turns).catch(() => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `postgres://postgres@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`,
    async close () {
      const closed = new Promise(resolve => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
      await database.close()
    }
  }
}

/** One at a time, in the order of arrival. */
class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Settles when it is one's turn, with the function that ends it. */
  async take (): Promise<() => void> {
    const before = this.#last
    let end!: () => void
    this.#last = new Promise<void>(resolve => { end = resolve })
    await before
    return end
  }
}

async function serve (socket: Socket, database: PGlite, turns: Turns): Promise<void> {
  let endTurn: (() => void) | null = null
  try {
    for await (const unit of unitsOf(socket)) {
      // Of all connections, only the one whose turn it is speaks to the session: otherwise their statements would mix.
      endTurn ??= await turns.take()
      const answer = await database.execProtocolRaw(unit)
      if (!socket.destroyed) socket.write(answer)
      // An answer ends with the state of the session: idle, or inside a transaction, which no one else may enter.
      if (answer.at(-1) !== 'I'.charCodeAt(0)) continue
      endTurn()
      endTurn = null
    }
  } finally {
    // Whoever leaves inside a transaction has not committed it.
    if (endTurn !== null) await database.exec('rollback').finally(endTurn)
  }
}

/** What belongs together: the messages up to one that asks for an answer. */
async function * unitsOf (socket: Socket): AsyncGenerator<Uint8Array> {
  let bytes = Buffer.alloc(0)
  let hasStarted = false
  /** Where the next message begins; what lies before it waits to be complete. */
  let next = 0
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk])
    for (;;) {
      const tag = hasStarted ? 1 : 0
      if (bytes.length < next + tag + 4) break
      const end = next + tag + bytes.readUInt32BE(next + tag)
      if (bytes.length < end) break
      if (!hasStarted) {
        const request = bytes.readUInt32BE(4)
        if (request === CANCEL_REQUEST) return
        const isEncryption = request === SSL_REQUEST || request === GSS_REQUEST
        socket.write(isEncryption ? 'N' : welcome)
        hasStarted = !isEncryption
        bytes = bytes.subarray(end)
        continue
      }
      const type = String.fromCharCode(bytes[next]!)
      if (type === 'X') return
      next = end
      // A query, or Sync after any number of Parse, Bind, Describe and Execute.
      if (type !== 'Q' && type !== 'S') continue
      yield bytes.subarray(0, end)
      bytes = bytes.subarray(end)
      next = 0
    }
  }
}

function message (type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
