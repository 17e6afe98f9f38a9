// What is measured: for each workload the peers that take part, what the load does, and the ratios that are wanted.

/**
 * name → workload. `job` is for the load generator, `env` for the server. `figures` are the columns of the table;
 * each target is [figure, the peer it is held against, at most (or, for a rate, at least) so many times as much].
 */
export const workloads = {
  one: {
    title: '1,000 listeners, one broadcast at a time',
    peers: ['channels', 'ws-raw', 'ws-send', 'fastify-websocket', 'socketio', 'bun'],
    job: { sockets: 1000 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['cpu', 'ws-raw', 1.15], ['cpu', 'socketio', 0.75], ['p99', 'socketio', 1]]
  },
  eight: {
    title: '1,000 listeners, eight broadcasts in flight from one socket',
    peers: ['channels', 'ws-raw', 'socketio', 'bun'],
    job: { sockets: 1000, inFlight: 8 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['cpu', 'bun', 1.1], ['cpu', 'socketio', 0.2]]
  },
  mixed: {
    title: '1,000 sockets with 3 subscriptions each, 10 streams, 8 publishing sockets, every tenth command with a reply',
    peers: ['channels', 'ws-send', 'socketio', 'bun'],
    job: { sockets: 1000, perSocket: 3, streams: 10, publishers: 8, replies: 0.1 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['cpu', 'socketio', 0.5]]
  },
  many: {
    title: '10,000 listeners, one broadcast at a time',
    peers: ['channels', 'ws-raw', 'socketio', 'bun'],
    job: { sockets: 10_000, seconds: 5 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['perSecond', 'socketio', 2]]
  },
  idle: {
    title: '10,000 connections with a session and one subscription: one broadcast to all, then 30 s idle',
    peers: ['channels', 'fastify-websocket', 'socketio'],
    job: { sockets: 10_000, seconds: 0, idle: 30 },
    figures: ['connectCpu', 'rss'],
    targets: [['connectCpu', 'socketio', 0.7], ['rss', 'socketio', 0.8], ['rss', null, 12]]
  },
  pairs: {
    title: 'Broadcasts to rooms of two, 5,000 rooms, 8 publishing sockets',
    peers: ['channels', 'ws-raw', 'socketio'],
    job: { sockets: 10_000, streams: 5000, publishers: 8, inFlight: 8 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['cpu', 'ws-raw', 1.3]]
  },
  'few-pairs': {
    title: 'The same with 500 rooms: what a broadcast costs must not depend on the other streams',
    peers: ['channels', 'ws-raw'],
    job: { sockets: 1000, streams: 500, publishers: 8, inFlight: 8 },
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['cpu', 'ws-raw', 1.3]]
  },
  compress: {
    title: '2 kB of HTML to 1,000 listeners, compressed once, and by ws for each socket',
    peers: ['channels', 'ws-send'],
    job: { sockets: 1000, deflate: true },
    env: { HTML: '1', DEFLATE: '1' },
    figures: ['cpu', 'bytes', 'perSecond', 'p99'],
    targets: [['cpu', 'ws-send', 0.2]]
  },
  plain: {
    title: 'The same 2 kB of HTML, not compressed',
    peers: ['channels'],
    job: { sockets: 1000 },
    env: { HTML: '1' },
    figures: ['cpu', 'bytes', 'perSecond', 'p99'],
    targets: []
  },
  redis: {
    title: 'Two processes on one Redis: published in one, 1,000 listeners in the other, one at a time',
    peers: ['channels', 'socketio'],
    job: { sockets: 1000 },
    isClustered: true,
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['perSecond', 'socketio', 1.3]]
  },
  'redis-eight': {
    title: 'The same with eight broadcasts in flight',
    peers: ['channels', 'socketio'],
    job: { sockets: 1000, inFlight: 8 },
    isClustered: true,
    figures: ['cpu', 'perSecond', 'p50', 'p99'],
    targets: [['perSecond', 'socketio', 4]]
  }
}

/** figure → its name in the table, how to show it, and whether more of it is better. */
export const figures = {
  cpu: { title: 'server CPU µs / delivery', show: value => value.toFixed(2), isRate: false },
  perSecond: { title: 'deliveries / s', show: value => Math.round(value).toLocaleString('en'), isRate: true },
  p50: { title: 'p50 ms', show: value => value.toFixed(1), isRate: false },
  p99: { title: 'p99 ms', show: value => value.toFixed(1), isRate: false },
  bytes: { title: 'bytes / delivery', show: value => Math.round(value).toLocaleString('en'), isRate: false },
  connectCpu: { title: 'CPU µs / connect', show: value => Math.round(value).toLocaleString('en'), isRate: false },
  rss: { title: 'kB / connection', show: value => (value / 1000).toFixed(1), isRate: false }
}
