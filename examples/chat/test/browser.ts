// People with real browsers: one Chromium for a file, a context of its own for everybody, and a cable that can be unplugged.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { chromium } from 'playwright-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'
import { password } from '../database.ts'

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
t.teardown(() => browser.close())

/** A new browser window. Whatever goes wrong in its pages fails the test. */
export async function visitor (test: Test, baseURL: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ baseURL, reducedMotion: 'reduce', locale: 'en-GB', ...options })
  test.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', error => test.fail(`an error in the page: ${error.stack ?? error.message}`))
  page.on('dialog', dialog => { test.fail(`the page opened a dialog: ${dialog.message()}`); dialog.dismiss().catch(() => {}) })
  page.on('console', entry => { if (/Content Security Policy/.test(entry.text())) test.fail(entry.text()) })
  return page
}

/** Somebody who has logged in, as people do. */
export async function person (test: Test, baseURL: string, login: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await visitor(test, baseURL, options)
  await page.goto('/login')
  await page.getByLabel('Name').fill(login)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.waitForURL('**/rooms')
  return page
}

/** Goes into a room, and waits until it is live. */
export async function enterRoom (page: Page, room: number): Promise<void> {
  await page.goto(`/rooms/${room}`)
  await state(page, 'online')
}

/** Waits until the page says that of its connection. */
export async function state (page: Page, name: 'online' | 'reconnecting' | 'offline'): Promise<void> {
  await page.locator(`.status[data-state="${name}"]`).waitFor({ state: 'attached' })
}

/** Types a message and sends it with the Enter key. */
export async function say (page: Page, text: string): Promise<void> {
  await page.getByRole('textbox').fill(text)
  await page.getByRole('textbox').press('Enter')
}

/** Waits until the page shows a message. */
export async function sees (page: Page, text: string): Promise<void> {
  await page.locator('.log').getByText(text, { exact: true }).waitFor()
}

/** What the page shows, oldest first. */
export function shown (page: Page): Promise<string[]> {
  return page.locator('.message .text').allTextContents()
}

/** A cable between a browser and a server that somebody can pull out, and plug in again. */
export class Cable {
  #to: URL
  readonly #server = createServer(socket => this.#carry(socket))
  readonly #ends = new Set<Socket>()
  #port = 0

  constructor (to: string) {
    this.#to = new URL(to)
  }

  get url (): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Listens; after `unplug`, on the same port as before, and perhaps into another server. */
  async plug (to?: string): Promise<void> {
    if (to !== undefined) this.#to = new URL(to)
    await new Promise<void>(resolve => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Cuts everything that runs over it; from now on nobody answers. */
  async unplug (): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const end of this.#ends) end.destroy()
    await closed
  }

  #carry (socket: Socket): void {
    const onward = connect(Number(this.#to.port), this.#to.hostname)
    for (const [end, other] of [[socket, onward], [onward, socket]] as const) {
      this.#ends.add(end)
      end.on('error', () => {})
      end.on('close', () => { this.#ends.delete(end); other.destroy() })
      end.pipe(other)
    }
  }
}
