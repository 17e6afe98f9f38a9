// The blocks of code in a page of the docs: found by the title in their first line, and laid out as files, a folder for each section.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the workspace. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Block {
  /** The number of its section, or its heading. */
  readonly section: string
  readonly language: string
  /** The file it says it is, or null. */
  readonly title: string | null
  readonly code: string
}

const heading = /^##+ (?:(\d+)\. )?(.*)$/
const title = /^(?:\/\/|<!--) ([\w./-]+\.\w+)(?: -->)?$/

/** All blocks of a page, in order. */
export function blocksOf (page: string): Block[] {
  const blocks: Block[] = []
  let section = '0'
  let open: { language: string, lines: string[] } | null = null
  for (const line of readFileSync(join(root, page), 'utf8').split('\n')) {
    if (open === null && line.startsWith('```')) {
      open = { language: line.slice(3).trim(), lines: [] }
    } else if (open !== null && line === '```') {
      const [, name = null] = title.exec(open.lines[0] ?? '') ?? []
      blocks.push({ section, language: open.language, title: name, code: open.lines.join('\n') + '\n' })
      open = null
    } else if (open !== null) {
      open.lines.push(line)
    } else {
      // What stands below a numbered section belongs to it.
      const [, number] = heading.exec(line) ?? []
      section = number ?? section
    }
  }
  if (open !== null) throw new Error(`${page}: a block has no end`)
  return blocks
}

/** Writes the titled blocks of a page to `<folder>/<page>/<section>/<title>`, each section beside the models of the guide; returns the paths. */
export function layOut (page: string, folder: string): string[] {
  const own = join(folder, page.replace(/^docs\//, '').replace(/\.md$/, '').toLowerCase())
  const models = join(root, 'docs/test/models.ts')
  rmSync(own, { recursive: true, force: true })
  const paths = new Set<string>()
  for (const { section, title, code } of blocksOf(page)) {
    if (title === null) continue
    const path = join(own, section, title)
    if (paths.has(path)) throw new Error(`${page}: section ${section} has ${title} twice`)
    paths.add(path)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
    writeFileSync(join(own, section, 'models.ts'), `export * from '${relative(join(own, section), models)}'\n`)
  }
  return [...paths]
}
