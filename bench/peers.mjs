// How to start each server, and what a client says to it and hears from it. The load generator knows nothing else of a peer.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

const { Signer } = createRequire(import.meta.url)('@fastify/cookie')
const signer = new Signer('a secret for the benchmark only')

/** The session cookie of the visitor of that number: everybody is somebody else. */
const cookie = visitor => `session=${encodeURIComponent(signer.sign(String(visitor)))}`

const json = {
  path: '/cable',
  headers: () => '',
  greeting: [],
  subscribe: streams => [JSON.stringify({ sub: streams })],
  publish: (stream, n, id) => JSON.stringify(id === null ? { pub: stream, n } : { pub: stream, n, id }),
  isConfirmed: text => text === '{"ok":1}',
  isReply: text => text.startsWith('{"id":'),
  answer: () => null,
  tail: '"}'
}

/** name → what it is. `tail` is what follows the number at the end of a broadcast. */
export const peers = {
  channels: {
    title: 'fastify-channels',
    server: 'channels.mjs',
    path: '/cable',
    headers: visitor => `Sec-WebSocket-Protocol: channels-v1\r\nCookie: ${cookie(visitor)}\r\n`,
    greeting: [],
    subscribe: streams => streams.map((stream, ref) => JSON.stringify({ command: 'subscribe', channel: 'RoomChannel', params: { stream }, ref })),
    publish: (stream, n, id, own) => JSON.stringify({ command: 'message', channel: 'RoomChannel', params: { stream: own }, action: 'publish', data: { stream, n }, ...(id !== null && { id }) }),
    isConfirmed: text => text.startsWith('{"type":"confirm_subscription"'),
    isReply: text => text.startsWith('{"type":"reply"'),
    answer: text => text === '{"type":"ping"}' ? '{"command":"pong"}' : null,
    tail: '"}}'
  },
  'ws-raw': { ...json, title: 'ws, prebuilt frames written raw', server: 'ws-raw.mjs' },
  'ws-send': { ...json, title: 'ws, send() in a loop', server: 'ws-send.mjs' },
  'fastify-websocket': { ...json, title: '@fastify/websocket, send() in a loop', server: 'fastify-websocket.mjs' },
  socketio: {
    title: 'Socket.IO (websocket only)',
    server: 'socketio.mjs',
    path: '/socket.io/?EIO=4&transport=websocket',
    headers: visitor => `Cookie: ${cookie(visitor)}\r\n`,
    greeting: [['0{', '40'], ['40{', null]],
    subscribe: streams => [`420${JSON.stringify(['sub', streams])}`],
    publish: (stream, n, id) => `42${id ?? ''}${JSON.stringify(['pub', { stream, n }])}`,
    isConfirmed: text => text === '430[1]',
    isReply: text => text.startsWith('43'),
    answer: text => text === '2' ? '3' : null,
    tail: '"}]'
  },
  bun: { ...json, title: 'Bun, native publish', server: 'bun.mjs', runtime: bunBinary }
}

/** How many subscriptions are confirmed by one confirmation: a peer may take all its streams in one command. */
export function confirmations (peer, streams) {
  return peer.subscribe(streams).length
}

function bunBinary () {
  // The package of the binary is a neighbour of the package called bun, not of this file.
  const require = createRequire(createRequire(import.meta.url).resolve('bun/package.json'))
  for (const name of ['bun-linux-x64', 'bun-linux-x64-baseline', 'bun-linux-aarch64', 'bun-darwin-aarch64', 'bun-darwin-x64']) {
    try {
      const file = require.resolve(`@oven/${name}/bin/bun`)
      if (existsSync(file)) return file
    } catch {}
  }
  throw new Error('no Bun binary for this platform: npm install bun brings it')
}
