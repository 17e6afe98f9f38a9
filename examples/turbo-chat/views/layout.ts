// The frame around every page. The two scripts are Turbo and the cable; nothing in any page is a script of its own.
import { html } from '@fastify-channels/turbo'
import type { Html } from '@fastify-channels/turbo'
import { current } from 'fastify-channels'

export interface Layout {
  readonly title: string
  /** Names the page for the stylesheet. */
  readonly page: string
  readonly body: Html
  /** Never shown in a part of another page, only as a whole. */
  readonly isWhole?: boolean
}

export function layout ({ title, page, body, isWhole = false }: Layout): Html {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content">
    <meta name="color-scheme" content="light dark">
    ${isWhole && html`<meta name="turbo-visit-control" content="reload">`}
    <title>${title} · Gable</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/style.css">
    ${current.user && html`<link rel="stylesheet" href="/users/${current.user.id}/own.css" data-turbo-track="dynamic">`}
    <script type="module" src="/turbo.js"></script>
    <script type="module" src="/cable.js"></script>
  </head>
  <body class="${page}">
    ${body}
  </body>
</html>
`
}
