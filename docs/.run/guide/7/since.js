// since.js
import { cable } from '/cable.js'

const { since, room } = document.querySelector('#messages').dataset
cable.subscribe('ChatChannel', { room_id: Number(room) }, { received: console.log }, { since })
