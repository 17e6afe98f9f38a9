// People with real browsers: one Chromium for a file, and a context of its own for everybody. Whatever goes wrong in a page fails the test.
import { chromium } from 'playwright-core'
import type { BrowserContextOptions, Page } from 'playwright-core'
import t from 'tap'
import type { Test } from 'tap'

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium' })
t.teardown(() => browser.close())

/** Somebody who came in under a name, and whose page is live. */
export async function person (test: Test, baseURL: string, name: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ baseURL, reducedMotion: 'reduce', locale: 'en-GB', ...options })
  test.teardown(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', error => test.fail(`an error in the page: ${error.stack ?? error.message}`))
  page.on('console', entry => { if (/Content Security Policy/.test(entry.text())) test.fail(entry.text()) })
  await page.goto('/')
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Enter' }).click()
  if (options.javaScriptEnabled !== false) await live(page)
  return page
}

/** Waits until the page is subscribed. */
export async function live (page: Page): Promise<void> {
  await page.getByText('Live', { exact: true }).waitFor()
}

/** Goes into a room by its link, as Turbo does, and waits until it is live. */
export async function enter (page: Page, room: string): Promise<void> {
  await page.getByRole('link', { name: room }).click()
  await page.getByRole('heading', { name: room }).waitFor()
  await live(page)
}

/** Writes a message and sends it with the Enter key. */
export async function say (page: Page, text: string): Promise<void> {
  await page.getByRole('textbox').fill(text)
  await page.getByRole('textbox').press('Enter')
}

/** Waits until the page shows a message. */
export async function sees (page: Page, text: string): Promise<void> {
  await page.locator('.message .text', { hasText: text }).waitFor()
}

/** What the page shows, oldest first. */
export function shown (page: Page): Promise<string[]> {
  return page.locator('.message .text').allTextContents()
}
