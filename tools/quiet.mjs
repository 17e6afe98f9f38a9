// In a test file stdout belongs to TAP: what the file itself says with console goes to stderr. Leaves every other program alone.
import { Console } from 'node:console'
import process from 'node:process'

if (/\.test\.m?[jt]s$/.test(process.argv[1] ?? '')) globalThis.console = new Console(process.stderr)
