#!/usr/bin/env node
// The command `fastify-channels`: hands the words of the shell to the CLI, and its answer back.
import process from 'node:process'
import { run } from '../dist/cli/index.js'

process.exitCode = run(process.argv.slice(2), {
  folder: process.cwd(),
  say: console.log,
  complain: console.error
})
