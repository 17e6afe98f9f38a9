// The form that adds to a room. Once a message is sent, a fresh one takes its place.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import { maxText } from '../messages.ts'
import type { Room } from '../rooms.ts'

/** A text that could not be said, and why. */
export interface Draft {
  readonly text: string
  readonly problem: string
}

export function composerView (room: Room, draft?: Draft): Html {
  return html`
      <form class="composer" id="composer" method="post" action="/rooms/${room.id}/messages">
        <label class="unseen" for="text">Message to ${room.name}</label>
        <input id="text" name="text" value="${draft?.text}" placeholder="Write to ${room.name}" maxlength="${maxText}" required autocomplete="off" autofocus ${draft && html`aria-invalid="true" aria-describedby="problem"`}>
        <button class="primary" aria-label="Send"><svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="M4 10h11M10 4.5 15.5 10 10 15.5"/></svg></button>
        ${draft && html`<p class="problem" id="problem" role="alert">${draft.problem}</p>`}
      </form>`
}
