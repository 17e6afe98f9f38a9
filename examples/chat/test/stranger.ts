// A stranger's client: knows nothing but the frames of the guide (§11), and has the whole chat.
import { once } from 'node:events'
import WebSocket from 'ws'

export async function enter (server: string, login: string, password: string, room: number) {
  const answer = await fetch(`${server}/login`, { method: 'POST', body: new URLSearchParams({ login, password }), redirect: 'manual' })
  const socket = new WebSocket(`${server.replace('http', 'ws')}/cable`, { headers: { cookie: answer.headers.getSetCookie().join('; ') } })
  const frames: any[] = []
  socket.on('message', data => frames.push(JSON.parse(String(data))))
  const address = { channel: 'ChatChannel', params: { room_id: room } }
  const say = (frame: object) => socket.send(JSON.stringify({ ...address, ...frame }))
  const hear = async (): Promise<any> => {
    while (frames.length === 0) await once(socket, 'message')
    return frames.shift()
  }
  await once(socket, 'open')
  say({ command: 'subscribe' })
  return {
    answer: await hear(),
    speak: (message: string) => say({ command: 'message', action: 'speak', data: { message } }),
    hear,
    leave: () => { socket.close(); return once(socket, 'close') }
  }
}
