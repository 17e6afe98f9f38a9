// The login page.
import { password } from '../database.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { layout } from './layout.ts'

export function loginPage ({ login = '', isWrong = false } = {}): Html {
  return layout({
    title: 'Log in',
    page: 'login',
    body: html`
    <main class="card">
      <img class="logo" src="/icon.svg" alt="" width="56" height="56">
      <h1>Welcome to Lantern</h1>
      <p class="lead">Small rooms for people who know each other.</p>
      <form method="post" action="/login">
        <label for="login">Name</label>
        <input id="login" name="login" value="${login}" autocomplete="username" autocapitalize="none" spellcheck="false" required ${!isWrong && html`autofocus`}>
        <label for="password">Password</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required ${isWrong && html`autofocus aria-invalid="true" aria-describedby="problem"`}>
        ${isWrong && html`<p class="problem" id="problem" role="alert">No one here has this name and password.</p>`}
        <button class="primary">Log in</button>
      </form>
      <p class="hint">Try it as <b>ana</b>, <b>ben</b> or <b>cleo</b>.<br>Everybody’s password is <b>${password}</b>.</p>
    </main>`
  })
}
