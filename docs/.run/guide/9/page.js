// page.js
import { cable } from '/cable.js'

const chat = cable.subscribe('ChatChannel', { room: 'general' }, {
  connected ({ reconnected, gap }) { if (reconnected && gap) location.reload() },
  disconnected ({ willReconnect }) { document.body.classList.toggle('offline', willReconnect) },
  received (data) { console.log(data) },
  rejected ({ reason }) { console.log('not for you', reason) }
})

const answer = await chat.perform('speak', { message: 'hello' })   // calls an action; the promise is its answer
chat.send({ message: 'hello' })                                    // short for perform('receive', …)
chat.unsubscribe()                                                 // leaves
cable.disconnect()                                                 // closes the socket, and stays away
cable.connect()                                                    // comes back, with all subscriptions
console.log(answer)
