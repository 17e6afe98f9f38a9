// One message, the same for everybody and everywhere: in the page, in the answer to a form, in a broadcast. And the form that edits it in its place.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import { maxText } from '../messages.ts'
import type { Message } from '../messages.ts'
import { avatar } from './avatar.ts'
import type { Draft } from './composer.ts'

export function messageView ({ id, authorId, author, text, isEdited, at }: Message): Html {
  const time = at.toISOString()
  return html`
          <turbo-frame class="message by-${authorId}" id="message-${id}">
            ${avatar(authorId, author)}
            <article aria-label="Message by ${author}">
              <p class="byline"><b>${author}</b> <time datetime="${time}">${time.slice(11, 16)}</time>${isEdited && html` <span class="edited">edited</span>`}</p>
              <p class="text" dir="auto">${text}</p>
            </article>
            <div class="tools">
              <a href="/messages/${id}/edit">Edit</a>
              <form method="post" action="/messages/${id}/delete"><button>Delete</button></form>
            </div>
          </turbo-frame>`
}

export function editView ({ id, authorId, author, text }: Message, draft?: Draft): Html {
  return html`
          <turbo-frame class="message by-${authorId}" id="message-${id}">
            ${avatar(authorId, author)}
            <form class="editor" method="post" action="/messages/${id}">
              <label class="unseen" for="text-${id}">Message</label>
              <input id="text-${id}" name="text" value="${draft?.text ?? text}" maxlength="${maxText}" required autocomplete="off" autofocus ${draft && html`aria-invalid="true" aria-describedby="problem-${id}"`}>
              <button class="primary">Save</button>
              <a class="quiet" href="/messages/${id}">Cancel</a>
              ${draft && html`<p class="problem" id="problem-${id}" role="alert">${draft.problem}</p>`}
            </form>
          </turbo-frame>`
}
