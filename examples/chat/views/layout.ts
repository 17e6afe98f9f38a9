// The frame around every page.
import { html } from './html.ts'
import type { Html } from './html.ts'

export interface Layout {
  readonly title: string
  /** Names the page for the stylesheet. */
  readonly page: string
  readonly body: Html
  /** A module the page runs. */
  readonly script?: string
}

export function layout ({ title, page, body, script }: Layout): Html {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
    <meta name="color-scheme" content="light dark">
    <meta name="theme-color" content="#f4f2ee" media="(prefers-color-scheme: light)">
    <meta name="theme-color" content="#131217" media="(prefers-color-scheme: dark)">
    <title>${title} · Lantern</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/style.css">
    ${script && html`<script type="module" src="${script}"></script>`}
  </head>
  <body class="${page}">
    ${body}
  </body>
</html>
`
}
