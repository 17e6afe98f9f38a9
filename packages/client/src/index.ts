// The client whole. Importing it opens nothing; in a browser it makes <turbo-stream-channel> known.
export * from './core.ts'
