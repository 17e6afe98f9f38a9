// Puts the name of this page on what Turbo fetches, so that a server can leave it out of what its own requests cause. Sends nothing.

interface Fetch extends Event {
  readonly detail: { readonly url: URL, readonly fetchOptions: { headers: { [name: string]: string } } }
}

/** From now on Turbo's requests to this origin carry `x-cable-id`. */
export function nameRequests (page: { readonly tab: string }): void {
  addEventListener('turbo:before-fetch-request', event => {
    const { url, fetchOptions } = (event as Fetch).detail
    if (url.origin === location.origin) fetchOptions.headers['x-cable-id'] = page.tab
  }, true)
}
