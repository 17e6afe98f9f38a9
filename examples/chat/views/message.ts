// One message; with nothing in it, the template that public/chat.js fills.
import type { Message } from '../messages.ts'
import { avatar } from './avatar.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'

const nothing: Message = { id: 0, sender: '', message: '', at: '' }

export function messageView (message: Message = nothing, { me, previous }: { me?: string, previous?: Message | undefined } = {}): Html {
  const { id, sender, at } = message
  return html`
          <li class="${names(message, me, previous)}" id="message-${id}" data-id="${id}" data-sender="${sender}">
            ${avatar(sender)}
            <p class="byline"><b class="sender">${sender}</b> <time datetime="${at}">${at.slice(11, 16)}</time></p>
            <p class="text" dir="auto">${message.message}</p>
          </li>`
}

function names ({ sender }: Message, me?: string, previous?: Message): string {
  return ['message', sender === me && 'mine', sender === previous?.sender && 'follows'].filter(Boolean).join(' ')
}
