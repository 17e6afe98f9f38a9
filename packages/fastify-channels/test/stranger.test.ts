// A stranger's client: plain ws and the frames of guide §11, nothing of ours. It does the whole chat, or the guide is not the law.
import { once } from 'node:events'
import { Channel } from 'fastify-channels'
import t from 'tap'
import { WebSocket } from 'ws'
import { address, setting } from './setting.ts'

class Stranger {
  readonly ws: WebSocket
  readonly frames: any[] = []
  #wake = () => {}

  constructor (url: string) {
    this.ws = new WebSocket(url)
    this.ws.on('message', data => {
      this.frames.push(JSON.parse(String(data)))
      this.#wake()
    })
  }

  say (command: string, channel: string, params: object, more: object = {}) {
    this.ws.send(JSON.stringify({ command, channel, params, ...more }))
  }

  async hear (): Promise<any> {
    while (this.frames.length === 0) await new Promise<void>(resolve => { this.#wake = resolve })
    return this.frames.shift()
  }
}

class ChatChannel extends Channel<{ room: string }> {
  subscribed () {
    if (this.params.room === 'secret') this.reject()
    this.send({ status: 'joined' })
    this.streamFrom(`chat_${this.params.room}`)
  }

  async speak (data: { message: string }) { await this.broadcast(`chat_${this.params.room}`, { message: data.message }) }
  receive (data: unknown) { this.send({ echo: data }) }
}

t.test('a client of thirty lines that knows guide §11 alone does the whole chat', async t => {
  const { app } = await setting(t, { channels: { ChatChannel } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [ana, bob] = [new Stranger(`${address(app)}/cable`), new Stranger(`${address(app)}/cable`)]
  await Promise.all([once(ana.ws, 'open'), once(bob.ws, 'open')])
  t.equal(ana.ws.protocol, '', 'no subprotocol')
  const general = { room: 'general' }

  for (const stranger of [ana, bob]) {
    stranger.say('subscribe', 'ChatChannel', general)
    t.same(await stranger.hear(), { type: 'message', channel: 'ChatChannel', params: general, data: { status: 'joined' } })
    t.same(await stranger.hear(), { type: 'confirm_subscription', channel: 'ChatChannel', params: general })
  }
  ana.say('message', 'ChatChannel', general, { action: 'speak', data: { message: 'hi' } })
  for (const stranger of [ana, bob]) t.same(await stranger.hear(), { type: 'message', channel: 'ChatChannel', params: general, data: { message: 'hi' } })
  bob.say('message', 'ChatChannel', general, { action: 'receive', data: 0 })
  t.same(await bob.hear(), { type: 'message', channel: 'ChatChannel', params: general, data: { echo: 0 } })

  ana.say('subscribe', 'ChatChannel', { room: 'secret' })
  t.same(await ana.hear(), { type: 'reject_subscription', channel: 'ChatChannel', params: { room: 'secret' } })
  ana.say('subscribe', 'NoChannel', {})
  t.same(await ana.hear(), { type: 'reject_subscription', channel: 'NoChannel', params: {}, reason: 'unknown_channel' })
  for (const [text, reason] of [
    ['{', 'invalid_json'],
    ['{"command":"dance"}', 'unknown_command'],
    ['{"command":"message","channel":"ChatChannel","params":{"room":"secret"},"action":"speak"}', 'not_subscribed'],
    ['{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"send","data":1}', 'invalid_action'],
    ['{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"dance"}', 'unknown_action']
  ]) {
    ana.ws.send(text!)
    t.same(await ana.hear(), { type: 'error', reason })
  }

  ana.say('unsubscribe', 'ChatChannel', general)
  ana.say('message', 'ChatChannel', general, { action: 'speak', data: {} })
  t.same(await ana.hear(), { type: 'error', reason: 'not_subscribed' })
  bob.say('message', 'ChatChannel', general, { action: 'speak', data: { message: 'still here' } })
  t.match(await bob.hear(), { data: { message: 'still here' } })
  ana.ws.send('{"command":"dance"}')
  t.same(await ana.hear(), { type: 'error', reason: 'unknown_command' }, 'who left hears nothing')
  t.same([...ana.frames, ...bob.frames], [], 'nothing comes that the guide does not know')
  ana.ws.close()
  t.equal((await once(ana.ws, 'close'))[0], 1005)
  bob.ws.terminate()
})
