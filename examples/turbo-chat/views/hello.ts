// The door: everybody comes in under a name.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import { maxName } from '../users.ts'
import { layout } from './layout.ts'

export function helloPage ({ name = '', isWrong = false } = {}): Html {
  return layout({
    title: 'Hello',
    page: 'door',
    body: html`
    <main class="card">
      <img class="logo" src="/icon.svg" alt="" width="56" height="56">
      <h1>Come in</h1>
      <p class="lead">Gable is one house with a few rooms. What is said in it appears everywhere at once.</p>
      <form method="post" action="/hello">
        <label for="name">Your name</label>
        <input id="name" name="name" value="${name}" maxlength="${maxName}" required autofocus autocomplete="nickname" ${isWrong && html`aria-invalid="true" aria-describedby="problem"`}>
        ${isWrong && html`<p class="problem" id="problem" role="alert">A name has one to ${maxName} characters.</p>`}
        <button class="primary">Enter</button>
      </form>
    </main>`
  })
}
