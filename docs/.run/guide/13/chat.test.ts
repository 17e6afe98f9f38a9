// chat.test.ts
import test from 'node:test'
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import channels, { Channel } from 'fastify-channels'
import { connect } from 'fastify-channels/testing'

class ChatChannel extends Channel<{ room: string }> {
  static actions = { speak: true }

  subscribed () {
    this.streamFrom(`chat_${this.params.room}`)
  }

  async speak (data: { message: string }) {
    await this.broadcast(`chat_${this.params.room}`, { message: data.message })
  }
}

test('what is said in a room is heard in it', async () => {
  const app = Fastify()
  await app.register(channels, { channels: { ChatChannel } })
  const ws = await connect(app)

  const confirm = await ws.subscribe('ChatChannel', { room: 'general' })
  assert.equal(confirm.type, 'confirm_subscription')

  await ws.perform('ChatChannel', 'speak', { message: 'hi' }, { room: 'general' })
  assert.deepEqual(await ws.receive(), { type: 'message', channel: 'ChatChannel', params: { room: 'general' }, data: { message: 'hi' } })

  await ws.close()
  await app.close()
})
