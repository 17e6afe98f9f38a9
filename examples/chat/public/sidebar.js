// The list of rooms, live: what was said last in each, where there is something new, the liveliest first.
import { cable } from '/cable.js'
import { showTime } from '/time.js'

const list = document.querySelector('.rooms')
const { me, since } = list.dataset

for (const item of list.children) {
  // All of them travel over one socket. The room that is open beside the list is one subscription with its page.
  cable.subscribe('ChatChannel', { room_id: Number(item.dataset.room) }, {
    received (data) { if (data.typing === undefined) showLast(item, data) }
  }, { since })
}

function showLast (item, { sender, message, at }) {
  item.querySelector('.room-last').textContent = `${sender}: ${message}`
  item.querySelector('time').dateTime = at
  showTime(item.querySelector('time'))
  const isOpen = item.querySelector('[aria-current]') !== null
  if (!isOpen && sender !== me) item.querySelector('.unread').hidden = false
  // Moved only where it has to: whoever is in the list with the keyboard keeps their place.
  if (item !== list.firstElementChild && !item.contains(document.activeElement)) list.prepend(item)
}
