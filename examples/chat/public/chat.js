// The room page: shows what the room says, and says what you type.
import { cable } from '/cable.js'
import '/sidebar.js'
import { showTime } from '/time.js'

const find = id => document.getElementById(id)
const { room, me } = document.querySelector('.room').dataset
const { since } = document.querySelector('.rooms').dataset
const log = document.querySelector('.log')
const messages = find('messages')
const composer = find('composer')
const draft = find('message')

const chat = cable.subscribe('ChatChannel', { room_id: Number(room) }, {
  connected ({ recovered }) {
    showState('online', 'Online')
    // True: everything since the page was rendered, or since the connection broke, has been received already.
    if (recovered !== true || hole !== null) catchUp()
  },
  disconnected ({ willReconnect }) {
    hideTyping()
    if (willReconnect) return showState('reconnecting', 'Reconnecting…')
    showState('offline', 'Offline')
    showProblem('This page is not connected any more. Reload it to go on.')
  },
  rejected () {
    showState('offline', 'Closed')
    showProblem('You are not in this room any more. Reload the page to see why.')
  },
  received (data) {
    if (data.typing !== undefined) showTyping(data.typing)
    else showMessage(data)
  }
}, { since })

// --- Messages: every one is shown once, in the order of their ids, however it came here.

function showMessage (message) {
  hideTyping(message.sender)
  if (find(`message-${message.id}`) !== null) return
  const item = find('message-template').content.firstElementChild.cloneNode(true)
  item.id = `message-${message.id}`
  item.dataset.id = message.id
  item.dataset.sender = message.sender
  item.classList.toggle('mine', message.sender === me)
  // Text, never markup: whatever somebody typed is shown as they typed it.
  item.querySelector('.sender').textContent = message.sender
  item.querySelector('.text').textContent = message.message
  item.querySelector('.avatar').textContent = message.sender.slice(0, 1)
  item.querySelector('.avatar').dataset.color = colorOf(message.sender)
  item.querySelector('time').dateTime = message.at
  showTime(item.querySelector('time'))

  const before = [...messages.children].findLast(({ dataset }) => Number(dataset.id) < message.id)
  if (before === undefined) messages.prepend(item)
  else before.after(item)
  for (const each of [item, item.nextElementSibling]) each?.classList.toggle('follows', each.previousElementSibling?.dataset.sender === each.dataset.sender)
  // The log begins at its end: there, scrollTop is 0.
  if (message.sender === me) log.scrollTop = 0
  else if (log.scrollTop < -100) find('newer').hidden = false
}

find('newer').addEventListener('click', () => { log.scrollTop = 0 })
log.addEventListener('scroll', () => { if (log.scrollTop > -100) find('newer').hidden = true })

/** The id of the last message before a hole, until the hole is filled. */
let hole = null

/** Fetches what was said while nobody told us. */
async function catchUp () {
  hole ??= messages.lastElementChild?.dataset.id ?? 0
  // Without an answer the hole stays: the next connection asks again.
  const response = await fetch(`/rooms/${room}/messages?after=${hole}`).catch(() => null)
  if (!response?.ok || response.redirected) return
  const { messages: missed, isComplete } = await response.json()
  // Too much was said to fill the hole: the latest are shown, and nothing pretends that they follow what was here.
  if (!isComplete) messages.replaceChildren()
  missed.forEach(showMessage)
  hole = null
}

// views/avatar.ts chooses in the same way.
function colorOf (login) {
  return Array.from(login).reduce((sum, character) => sum + character.codePointAt(0), 0) % 6
}

// --- The composer.

const maxLength = 2000
const unsure = 'The connection broke just then. If your message does not appear, send it again.'
const problems = {
  empty: 'There is nothing to send yet.',
  too_long: `This is too long: a message has at most ${maxLength.toLocaleString('en')} characters.`,
  rate_limited: 'That was a little fast. Wait a moment, then send it again.',
  disconnected: unsure,
  timeout: unsure
}

let isSending = false

composer.addEventListener('submit', async event => {
  event.preventDefault()
  if (isSending) return
  const message = draft.value
  isSending = true
  showProblem('')
  try {
    await chat.perform('speak', { message })
    // The message itself comes back with the broadcast, like everybody else's.
    if (draft.value === message) draft.value = ''
  } catch ({ reason }) {
    showProblem(problems[reason] ?? 'This was not sent. Your text is still here: try again in a moment.')
  }
  isSending = false
  showCount()
  draft.focus()
})

draft.addEventListener('keydown', event => {
  const isSend = event.key === 'Enter' && !event.shiftKey && !event.isComposing
  if (!isSend) return
  event.preventDefault()
  composer.requestSubmit()
})

let toldAt = 0

draft.addEventListener('input', () => {
  showProblem('')
  showCount()
  if (draft.value.trim() === '' || Date.now() - toldAt < 2000) return
  toldAt = Date.now()
  chat.perform('typing').catch(() => {})
})

function showProblem (text) {
  find('problem').textContent = text
}

function showCount () {
  const length = Array.from(draft.value.trim()).length
  find('count').hidden = length < maxLength * 0.9
  find('count').textContent = `${length.toLocaleString('en')} / ${maxLength.toLocaleString('en')}`
  find('count').classList.toggle('over', length > maxLength)
}

// --- Who is typing: for three seconds after they last were.

const typing = new Map()

function showTyping (login) {
  if (login === me) return
  clearTimeout(typing.get(login))
  typing.set(login, setTimeout(hideTyping, 3000, login))
  renderTyping()
}

function hideTyping (...logins) {
  for (const login of logins.length > 0 ? logins : [...typing.keys()]) {
    clearTimeout(typing.get(login))
    typing.delete(login)
  }
  renderTyping()
}

function renderTyping () {
  const logins = [...typing.keys()]
  find('typing').classList.toggle('shown', logins.length > 0)
  if (logins.length === 1) find('typing-text').textContent = `${logins[0]} is typing…`
  if (logins.length > 1) find('typing-text').textContent = `${logins.slice(0, -1).join(', ')} and ${logins.at(-1)} are typing…`
}

// --- The connection.

function showState (state, text) {
  find('status').hidden = false
  find('status').dataset.state = state
  find('status').firstElementChild.textContent = text
}

if (find('status').hidden) showState('connecting', 'Connecting…')
showCount()
// Where there is a keyboard, one can write at once; elsewhere it would bring up one over half the page.
if (window.matchMedia('(hover: hover) and (pointer: fine)').matches) draft.focus({ preventScroll: true })
