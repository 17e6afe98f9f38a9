// The promises of a backend, on a real Redis.
import { test } from 'tap'
import { checkBackend } from 'fastify-channels/testing'
import { redisCable } from '../src/index.ts'
import { Server } from './servers.ts'

test('the Redis cable keeps every promise of a backend, in two processes', async t => {
  const server = await Server.start()
  t.teardown(() => server.stop())
  const open = () => ({ a: redisCable({ url: server.url }), b: redisCable({ url: server.url }) })
  for (const { name, run } of checkBackend({ open })) await t.resolves(run(), name)
})
