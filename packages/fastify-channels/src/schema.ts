// Makes a check out of a schema with the app's own validator compiler. Never lets a value be changed behind the client's back.
import type { FastifySchemaCompiler } from 'fastify'
import { isObject } from '@fastify-channels/protocol'

/** What a check found: the value to go on with, or why not. */
export type Verdict = { readonly ok: true, readonly value: unknown } | { readonly ok: false, readonly error: unknown }

export type Check = (value: unknown) => Verdict

/** Compiles a schema for one place of a channel; `where` names it in messages. */
export function compile (compiler: FastifySchemaCompiler<any>, schema: unknown, where: string): Check {
  const validate = compiler({ schema, method: 'GET', url: where, httpPart: 'body' }) as unknown as { (value: unknown, place?: object): unknown, errors?: unknown }
  return value => {
    const copy = structuredClone(value)
    // Ajv turns a 1 into a "1" where it can put it: without a place for the value itself nobody would hear of it.
    const holder = { value: copy }
    const result = isAjv(validate) ? validate(copy, { instancePath: '', parentData: holder, parentDataProperty: 'value', rootData: copy }) : validate(copy)
    // Compilers of other schema libraries answer with an object, Ajv with a boolean and a changed value.
    if (isObject(result)) return result.error === undefined ? { ok: true, value: result.value } : { ok: false, error: result.error }
    if (result === false) return { ok: false, error: validate.errors }
    // Ajv, as Fastify sets it up for query strings, turns ["1"] into "1": then what was authorised is not what was sent.
    return isUncoerced(value, holder.value) ? { ok: true, value: holder.value } : { ok: false, error: 'a value has the wrong type' }
  }
}

function isAjv (validate: object): boolean {
  return 'schemaEnv' in validate
}

/** True when everything that is in both is the same: defaults may be added and extras dropped, nothing turned into something else. */
function isUncoerced (given: unknown, checked: unknown): boolean {
  if (Array.isArray(given) && Array.isArray(checked)) {
    return given.length === checked.length && given.every((item, index) => isUncoerced(item, checked[index]))
  }
  if (isObject(given) && isObject(checked)) {
    return Object.keys(checked).every(key => !Object.hasOwn(given, key) || isUncoerced(given[key], checked[key]))
  }
  return Object.is(given, checked) || given === checked
}
