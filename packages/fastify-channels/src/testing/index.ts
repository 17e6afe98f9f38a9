// What a test imports from 'fastify-channels/testing'.
export { checkBackend } from './backend.ts'
export type { BackendCheck, BackendSetup } from './backend.ts'
export { connect } from './connect.ts'
export type { ConnectOptions, TestConnection } from './connect.ts'
