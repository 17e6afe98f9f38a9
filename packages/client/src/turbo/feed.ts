// Hands the HTML of turbo-streams to the page's Turbo, wherever that comes from. Knows no cable.

interface RenderEvent extends Event {
  readonly detail: { render: (stream: Element) => unknown }
}

/**
 * Renders what is a text of turbo-streams, once there is a Turbo. Settles when all of it is in the page.
 *
 * @param isWanted - asked right before each stream is rendered, a frame after it was given to Turbo: false leaves it out
 */
export async function feed (data: unknown, isWanted: () => boolean): Promise<void> {
  if (typeof data !== 'string' || !data.includes('<turbo-stream')) return
  await customElements.whenDefined('turbo-stream')
  const rendered: Array<Promise<void>> = []
  const guard = (event: Event): void => {
    const { detail } = event as RenderEvent
    const { render } = detail
    // What somebody cancelled is rendered by nobody.
    if (event.defaultPrevented) return
    rendered.push(new Promise(resolve => {
      detail.render = async stream => {
        try {
          if (isWanted()) await render(stream)
        } finally {
          resolve()
        }
      }
    }))
  }
  // On the window, so that it is asked last: what the page's own listeners made of the stream is what is rendered.
  addEventListener('turbo:before-stream-render', guard)
  try {
    render(data)
  } finally {
    removeEventListener('turbo:before-stream-render', guard)
  }
  await Promise.all(rendered)
}

function render (html: string): void {
  const { Turbo } = globalThis as { Turbo?: { renderStreamMessage?: (html: string) => void } }
  if (Turbo?.renderStreamMessage) return Turbo.renderStreamMessage(html)
  // A Turbo that keeps to itself: its elements render themselves all the same.
  const template = document.createElement('template')
  template.innerHTML = html
  document.documentElement.append(document.importNode(template.content, true))
}
