// The results as a picture: one group of bars per workload, ours first, light and dark alike. Draws numbers it is given and none of its own.
import { peers } from './peers.mjs'
import { figures, workloads } from './workloads.mjs'

const width = 860
const labels = 250
const bar = 20
const gap = 6

const escape = text => String(text).replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`)

/** An SVG of all workloads that were measured: the first figure of each, where less is better. */
export function chart (results) {
  let y = 10
  const parts = []
  for (const [name, { figures: [figure] }] of Object.entries(workloads)) {
    const result = results[name]
    if (result === undefined) continue
    const { title, show } = figures[figure]
    const rows = Object.entries(result.medians).map(([peer, row]) => [peer, row[figure]])
    const most = Math.max(...rows.map(([, value]) => value))
    parts.push(`<text class="title" x="10" y="${y += 22}">${escape(result.title)}</text>`, `<text class="unit" x="10" y="${y += 17}">${escape(title)}, less is better</text>`)
    y += 8
    for (const [peer, value] of rows) {
      const length = Math.max(2, value / most * (width - labels - 90))
      parts.push(
        `<text class="peer${peer === 'channels' ? ' ours' : ''}" x="${labels - 10}" y="${y + 15}" text-anchor="end">${escape(peers[peer].title)}</text>`,
        `<rect class="${peer === 'channels' ? 'ours' : 'other'}" x="${labels}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="3"/>`,
        `<text class="value" x="${labels + length + 8}" y="${y + 15}">${escape(show(value))}</text>`)
      y += bar + gap
    }
    y += 16
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="What each server needs, per workload">
<style>
svg { background: #fff; font: 13px system-ui, sans-serif }
text { fill: #1d1d27 } .title { font-weight: 600; font-size: 15px } .unit { fill: #6a6a78; font-size: 12px } text.ours { font-weight: 600 }
rect.ours { fill: #5b4bd6 } rect.other { fill: #b9b9c8 }
@media (prefers-color-scheme: dark) { svg { background: #14141b } text { fill: #ececf4 } .unit { fill: #9a9aac } rect.ours { fill: #9385ff } rect.other { fill: #4a4a5c } }
</style>
${parts.join('\n')}
</svg>
`
}
