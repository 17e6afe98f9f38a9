// Lets Node run TypeScript sources: newer versions strip types by themselves, Node 20 gets the same through esbuild.
import { register } from 'node:module'
import process from 'node:process'

if (!process.features.typescript) register('./ts-hooks.mjs', import.meta.url)
