// chat.js
import { cable } from '/cable.js'

const list = document.querySelector('#messages')
const notice = document.querySelector('#typing')
const composer = document.querySelector('#composer')
const url = `${location.pathname}/messages`

function show ({ id, sender, text }) {
  if (document.getElementById(`message_${id}`) !== null) return
  const item = document.createElement('li')
  item.id = `message_${id}`
  item.textContent = `${sender}: ${text}`
  list.append(item)
}

const { data, since } = await (await fetch(url)).json()
data.forEach(show)

const chat = cable.subscribe('ChatChannel', { room_id: Number(location.pathname.split('/')[2]) }, {
  received (event) {
    notice.textContent = event.typing === undefined ? '' : `${event.typing} is typing…`
    if (event.typing === undefined) show(event)
  },
  connected ({ gap }) { if (gap) location.reload() }
}, { since })

composer.addEventListener('input', () => { chat.perform('typing') })
composer.addEventListener('submit', async event => {
  event.preventDefault()
  const text = new FormData(composer).get('text')
  composer.reset()
  await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text }) })
})
