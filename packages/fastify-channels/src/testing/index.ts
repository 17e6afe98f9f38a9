// What a test imports from 'fastify-channels/testing'.
export { connect } from './connect.ts'
export type { ConnectOptions, TestConnection } from './connect.ts'
