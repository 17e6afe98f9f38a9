// <turbo-stream-channel>: as long as it is in the page, Turbo renders what its subscription hears. Never renders a thing itself.
import { writeSince } from '@fastify-channels/protocol'
import { cable } from '../core.ts'
import { report } from '../error.ts'
import type { Subscription } from '../subscription.ts'
import { feed } from './feed.ts'

declare global {
  interface HTMLElementTagNameMap {
    'turbo-stream-channel': TurboStreamChannelElement
  }
}

// Where there are no elements the class is of no use, but the module loads.
const Element = globalThis.HTMLElement ?? Object

/**
 * `<turbo-stream-channel channel="ChatChannel" params='{"room_id": 42}' since="…">`.
 *
 * While it is subscribed it has the attribute `connected`, and `since` says up to where the page has been brought.
 * Fires `turbo-stream-channel:connected`, `:disconnected`, `:rejected` and `:gap`, which bubble.
 * With `gap="refresh"` a gap has Turbo refresh the page, so that it needs no script of its own for that either.
 */
export class TurboStreamChannelElement extends Element {
  static readonly observedAttributes = ['channel', 'params', 'since', 'connected']
  #subscription: Subscription | null = null
  /** Channel and params of the subscription. */
  #address: string | null = null
  /** The attribute as it was used, or written, last. */
  #since: string | null = null
  #isConnected = false
  #isDue = false
  /** Settles when all that was heard is in the page. */
  #rendered = Promise.resolve()

  connectedCallback (): void {
    this.attributeChangedCallback()
  }

  disconnectedCallback (): void {
    this.attributeChangedCallback()
  }

  /** Looks once at the end of the turn: what is moved, or changed back, has not changed. */
  attributeChangedCallback (): void {
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      this.#follow()
    })
  }

  #follow (): void {
    const channel = this.getAttribute('channel')
    const params = this.getAttribute('params') || '{}'
    // An element that lost the attribute, as by morphing, still knows.
    const since = this.getAttribute('since') ?? this.#since
    const isPreview = document.documentElement.hasAttribute('data-turbo-preview')
    const address = this.isConnected && channel && !isPreview ? channel + params : null
    if (address !== this.#address || (address !== null && since !== this.#since)) {
      const left = this.#subscription
      this.#subscription = null
      this.#address = address
      this.#since = since
      this.#isConnected = false
      // The page behind a preview may want it again.
      if (left !== null && isPreview) addEventListener('turbo:load', () => left.unsubscribe(), { once: true })
      else left?.unsubscribe()
      if (address !== null) this.#subscribe(channel!, params, since)
    }
    this.toggleAttribute('connected', this.#isConnected)
  }

  #subscribe (channel: string, params: string, since: string | null): void {
    let given: object
    try {
      given = JSON.parse(params)
    } catch {
      return this.#fire('rejected', { reason: 'invalid_params' })
    }
    const isCurrent = (): boolean => this.isConnected && this.#subscription === subscription
    const moved = (rendered?: Promise<void>): void => {
      const since = writeSince(subscription.positions)
      this.#rendered = Promise.allSettled([this.#rendered, rendered]).then(() => {
        if (!isCurrent()) return
        this.#since = since
        this.setAttribute('since', since)
      })
    }
    const on = (name: string, isConnected: boolean) => (detail: object): void => {
      if (!isCurrent()) return
      this.#isConnected = isConnected
      this.toggleAttribute('connected', isConnected)
      if (isConnected) moved()
      this.#fire(name, detail)
      if (!('gap' in detail && detail.gap)) return
      this.#fire('gap', detail)
      // What was missed is in the page that the server would render now.
      if (this.getAttribute('gap') === 'refresh') feed('<turbo-stream action="refresh"></turbo-stream>', isCurrent).catch(report)
    }
    const subscription = this.#subscription = cable.subscribe(channel, given, {
      connected: on('connected', true),
      disconnected: on('disconnected', false),
      rejected: on('rejected', false),
      received: data => {
        const rendered = feed(data, isCurrent)
        moved(rendered)
        return rendered
      }
    }, { since })
  }

  #fire (name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent('turbo-stream-channel:' + name, { bubbles: true, detail }))
  }
}
