// The folder of an app as the generators see it: reads it, adds files to it, and overwrites none.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where a generator works and whom it tells. */
export interface Place {
  readonly folder: string
  readonly say: (line: string) => void
}

export class Project {
  readonly #place: Place

  constructor (place: Place) {
    this.#place = place
  }

  say (text: string): void {
    this.#place.say(text)
  }

  /** The text of a file, null when it is not there. */
  read (file: string): string | null {
    try {
      return readFileSync(join(this.#place.folder, file), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }

  /** Writes a new file; one that is there stays as it is. */
  create (file: string, text: string): void {
    if (this.read(file) !== null) return this.say(`exists   ${file}`)
    const path = join(this.#place.folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
    this.say(`created  ${file}`)
  }

  /** Writes a file again that was read before. */
  change (file: string, text: string): void {
    writeFileSync(join(this.#place.folder, file), text)
    this.say(`changed  ${file}`)
  }

  /**
   * How imports of the app's own files end: `.ts` where Node strips the types or the compiler rewrites the endings,
   * `.js` where tsconfig.json says neither.
   */
  get ending (): 'ts' | 'js' {
    let file = 'tsconfig.json'
    // One that extends others may have it from them; more than a few are a circle.
    for (let depth = 0; depth < 5; depth++) {
      const text = this.read(file)
      if (text === null) return depth === 0 ? 'ts' : 'js'
      if (/"(allowImportingTsExtensions|rewriteRelativeImportExtensions)"\s*:\s*true/.test(text)) return 'ts'
      const base = /"extends"\s*:\s*"(\.[^"]*)"/.exec(text)?.[1]
      if (base === undefined) return 'js'
      file = join(dirname(file), base.endsWith('.json') ? base : `${base}.json`)
    }
    return 'js'
  }
}
