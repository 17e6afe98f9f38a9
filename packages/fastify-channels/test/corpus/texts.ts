// What a hostile client says in text frames, and the exact answers, as data: one row per line of the specification. Runs nothing.
import { ran } from './app.ts'

/** A frame as the plain dialect has it. */
export type Said = { readonly [word: string]: any }

export interface Row {
  readonly row: number | string
  readonly about: string
  /** S0: a fresh socket. S1: subscribed to ChatChannel {"room":"general"}. Odd: subscribed to OddChannel {}. */
  readonly state: 'S0' | 'S1' | 'Odd'
  readonly say: readonly string[]
  readonly hear: readonly Said[]
  /** The answers may come in any order: they belong to different subscriptions. */
  readonly anyOrder?: boolean
  /** How often things ran, once the answers are there and the socket is still open. */
  readonly ran?: { readonly [what: string]: number }
  /** Error lines in the log; none by default. */
  readonly alarms?: number
  /** The server's own subscriptions that must go before the socket can answer row 1 once more. */
  readonly leave?: readonly string[]
  /** The line is cut after the last word, and no answer is waited for. */
  readonly hangUp?: boolean
}

const general = { room: 'general' }
const json = JSON.stringify

// What a client says.
const subscribe = (channel: unknown, params?: unknown, more: object = {}) => json({ command: 'subscribe', channel, params, ...more })
const unsubscribe = (channel: unknown, params?: unknown) => json({ command: 'unsubscribe', channel, params })
const message = (action: unknown, data?: unknown, id?: unknown, params: unknown = general, channel = 'ChatChannel') => json({ command: 'message', channel, params, action, data, id })
const odd = (action: unknown, id?: unknown) => message(action, undefined, id, {}, 'OddChannel')
const speak = (data: string) => `{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"speak","data":${data}}`
const free = (params: string) => `{"command":"subscribe","channel":"FreeChannel","params":${params}}`
const chat = (params: string) => `{"command":"subscribe","channel":"ChatChannel","params":${params}}`
const nested = (levels: number, core = '0') => '['.repeat(levels) + core + ']'.repeat(levels)

// What it hears.
const confirm = (channel: string, params: unknown = {}): Said => ({ type: 'confirm_subscription', channel, params })
const rejected = (channel: string, params: unknown = {}, reason?: string): Said => ({ type: 'reject_subscription', channel, params, ...reason === undefined ? {} : { reason } })
const error = (reason: string): Said => ({ type: 'error', reason })
const reply = (id: unknown, data: unknown = null): Said => ({ type: 'reply', id, status: 'ok', data })
const failure = (id: unknown, reason = 'error'): Said => ({ type: 'reply', id, status: 'error', reason })
const sent = (channel: string, params: unknown, data: unknown): Said => ({ type: 'message', channel, params, data })
const said = (data: unknown) => sent('ChatChannel', general, { said: data })

const each = (texts: readonly string[], answer: Said) => ({ say: texts, hear: texts.map(() => answer) })
const commands = (...values: string[]) => values.map(value => `{"command":${value}}`)
const names = (...values: string[]) => ({ say: values.map(value => subscribe(value)), hear: values.map(value => rejected(value, {}, 'unknown_channel')) })
const actions = (reason: string, ...values: unknown[]) => ({ say: values.map(value => message(value)), hear: values.map(() => error(reason)) })
const many = (count: number, make: (n: number) => string) => Array.from({ length: count }, (_, n) => make(n))
const positions = (count: number) => Object.fromEntries(many(count, n => `s${n}`).map(stream => [stream, 'e.1']))

export const rows: readonly Row[] = [
  { row: 1, about: 'a good subscribe', state: 'S0', say: [chat('{"room":"general"}')], hear: [confirm('ChatChannel', general)] },
  { row: 2, about: 'no JSON', state: 'S0', ...each(['not valid json{{{'], error('invalid_json')) },
  { row: 3, about: 'JSON cut short', state: 'S0', ...each(['{"command":"subscribe"', '{"command":"subscribe","params":{', '"', '[1,'], error('invalid_json')) },
  { row: 4, about: 'nothing, and blanks', state: 'S0', ...each(['', ' ', '\n', '\u0000'], error('invalid_json')) },
  { row: 5, about: 'a byte order mark', state: 'S0', ...each([`\ufeff${chat('{"room":"general"}')}`], error('invalid_json')) },
  { row: 6, about: 'JavaScript that is no JSON', state: 'S0', ...each(["{'command':'subscribe'}", '{command:1}', '{"command":"pong",}', '// c', 'NaN', 'undefined', '{"a":01}', '{"a":+1}', '{"a":"\t"}'], error('invalid_json')) },
  { row: 7, about: 'two objects in one frame', state: 'S0', ...each(['{"command":"pong"}{"command":"pong"}', '{"command":"pong"}\n{"command":"pong"}'], error('invalid_json')) },
  { row: 8, about: 'null', state: 'S0', ...each(['null', ' null '], error('invalid_message')) },
  { row: 9, about: 'JSON that is no object', state: 'S0', ...each(['true', 'false', '0', '-0', '1e999', '"subscribe"', '""'], error('invalid_message')) },
  { row: 10, about: 'arrays', state: 'S0', ...each(['[]', '[{"command":"subscribe"}]', '[null]'], error('invalid_message')) },
  { row: 11, about: 'an empty object', state: 'S0', ...each(['{}'], error('unknown_command')) },
  { row: 12, about: 'everything but a command', state: 'S0', ...each(['{"channel":"ChatChannel","params":{"room":"general"}}', '{"Command":"subscribe","channel":"ChatChannel"}', '{"action":"speak","id":1}'], error('unknown_command')) },
  { row: 13, about: 'commands that are almost one', state: 'S0', ...each(commands('""', '" subscribe"', '"subscribe "', '"Subscribe"', '"SUBSCRIBE"', '"subscribe\\u0000"', '"subscribe/x"', '"\\u017fubscribe"', '"pong/"', '"perform"'), error('unknown_command')) },
  { row: 14, about: 'commands that are no strings', state: 'S0', ...each(commands('1', 'null', '["subscribe"]', '{"a":1}', 'true'), error('unknown_command')) },
  { row: 15, about: 'commands that every object has', state: 'S0', ...each(commands('"constructor"', '"__proto__"', '"toString"', '"hasOwnProperty"', '"valueOf"'), error('unknown_command')) },
  { row: 16, about: 'a command in another alphabet, and a long one', state: 'S0', ...each(commands('"\uff53\uff55\uff42\uff53\uff43\uff52\uff49\uff42\uff45"', `"${'s'.repeat(60_000)}"`), error('unknown_command')) },
  { row: 17, about: 'the answer to a ping', state: 'S0', say: ['{"command":"pong"}', '{"command":"pong","t":1,"channel":7}'], hear: [] },
  { row: 18, about: 'a frame only servers say', state: 'S0', ...each(['{"type":"confirm_subscription","channel":"ChatChannel"}', '{"type":"ping"}', '{"type":"disconnect","reconnect":false}'], error('unknown_command')) },
  { row: 19, about: 'a subscribe to nothing', state: 'S0', ...each(['{"command":"subscribe"}', '{"command":"subscribe","channel":""}'], rejected('', {}, 'unknown_channel')) },
  { row: 20, about: 'a channel name as long as may be, and one longer', state: 'S0', say: [subscribe('c'.repeat(128)), subscribe('c'.repeat(129)), subscribe('c'.repeat(60_000))], hear: [rejected('c'.repeat(128), {}, 'unknown_channel'), error('invalid_message'), error('invalid_message')] },
  { row: 21, about: 'channels that are almost one', state: 'S0', ...names('chatchannel', 'ChatChannel ', 'ChatChannel\n', ' ChatChannel', 'ChatChannel\u0000', 'Chat Channel') },
  { row: 22, about: 'channels that every object has', state: 'S0', ...names('constructor', '__proto__', 'toString', 'prototype', 'hasOwnProperty', 'Channel', 'BaseOdd') },
  { row: 23, about: 'channels that are no strings', state: 'S0', ...each([subscribe(1), subscribe(null), subscribe(['ChatChannel']), subscribe({ name: 'ChatChannel' }), subscribe(true)], error('invalid_message')) },
  { row: 24, about: 'the same in messages', state: 'S0', ...each([message('speak', {}, undefined, general, 1 as never), message('speak', {}, undefined, general, null as never), message('speak', {}, undefined, general, [] as never)], error('invalid_message')) },
  { row: 25, about: 'half a character for a channel', state: 'S0', ...each(['{"command":"subscribe","channel":"\\ud800"}', '{"command":"subscribe","channel":"Chat\\udc00Channel"}'], error('invalid_message')) },
  { row: 26, about: 'paths, statements and tags for a channel', state: 'S0', ...names('../ChatChannel', 'ChatChannel;DROP', '<script>', '${ChatChannel}', 'ChatChannel%00') }, // eslint-disable-line no-template-curly-in-string
  { row: 27, about: 'no params', state: 'S0', say: [subscribe('FreeChannel'), free('null'), free('{}')], hear: [confirm('FreeChannel'), confirm('FreeChannel'), confirm('FreeChannel')], ran: { 'FreeChannel.subscribed': 1 } },
  { row: 28, about: 'params that are no object', state: 'S0', ...each(['[]', '"room"', '1', 'true', 'false', '0', '""', '[["room","general"]]'].map(chat), error('invalid_message')) },
  { row: 29, about: 'params without what the schema asks for', state: 'S0', say: [chat('{}'), subscribe('ChatChannel'), chat('{"Room":"general"}')], hear: [rejected('ChatChannel', {}, 'invalid_params'), rejected('ChatChannel', {}, 'invalid_params'), rejected('ChatChannel', { Room: 'general' }, 'invalid_params')], anyOrder: true },
  { row: 30, about: 'params of another type than the schema says', state: 'S0', ...typed(['general'], {}, null, '', 1, true, [], [['general']]) },
  { row: 31, about: 'params that would throw in a template string', state: 'S0', ...typed({ toString: 1 }, { valueOf: 1 }, { toString: null, valueOf: null }, { toJSON: 1 }) },
  { row: 32, about: 'params the schema does not mention', state: 'S0', say: [chat('{"room":"general","admin":true}')], hear: [confirm('ChatChannel', { room: 'general', admin: true })] },
  { row: 33, about: 'one number in three spellings', state: 'S0', ...same('{"n":1}', '{"n":1.0}', '{"n":1e0}', '{"n":10e-1}') },
  { row: 34, about: 'a number, a string and a boolean', state: 'S0', ...different('{"n":1}', '{"n":"1"}', '{"n":true}', '{"n":[1]}', '{"n":null}', '{}') },
  { row: 35, about: 'zero and minus zero', state: 'S0', say: [free('{"n":0}'), free('{"n":-0}')], hear: [confirm('FreeChannel', { n: 0 }), confirm('FreeChannel', { n: 0 })], ran: { 'FreeChannel.subscribed': 1 } },
  { row: 36, about: 'numbers that JavaScript cannot hold', state: 'S0', ...each(['{"n":1e999}', '{"n":-1e999}', '{"n":9007199254740993}', '{"n":9007199254740992}', '{"a":{"b":[1e400]}}'].map(free), error('invalid_message')) },
  { row: 37, about: 'keys in another order, at every depth', state: 'S0', ...same('{"a":{"x":1,"y":2},"b":0}', '{"b":0,"a":{"y":2,"x":1}}') },
  { row: 38, about: 'two ways to write one letter', state: 'S0', ...different('{"r":"\u00e9"}', '{"r":"e\u0301"}') },
  { row: 39, about: 'half characters in params', state: 'S0', ...each(['{"r":"\\ud800"}', '{"\\udfff":1}', '{"a":["\\ud800x"]}', '{"a":{"b\\ud800":1}}'].map(free), error('invalid_message')) },
  { row: 40, about: 'a key that comes twice', state: 'S0', say: [chat('{"room":"other","room":"general"}'), '{"command":"pong","command":"nothing"}'], hear: [confirm('ChatChannel', general), error('unknown_command')], anyOrder: true },
  { row: 41, about: 'a prototype for a frame', state: 'S0', ...each(['{"__proto__":{"command":"subscribe"}}', '{"command":"pong","__proto__":null}', '{"\\u005f_proto__":1,"command":"pong"}'], error('invalid_message')) },
  { row: 42, about: 'a prototype for a constructor', state: 'S0', ...each(['{"constructor":{"prototype":{"x":1}}}', '{"__proto__":{"polluted":1},"room":"general"}', '{"room":"general","a":[{"__proto__":1}]}', '{"a":{"constructor":{"prototype":null}}}'].map(chat), error('invalid_message')) },
  { row: 43, about: 'a param called constructor', state: 'S0', say: [chat('{"constructor":"x","room":"general"}'), free('{"constructor":"x"}'), '{"command":"message","channel":"FreeChannel","params":{"constructor":"x"},"action":"constructorOf","id":1}'], hear: [confirm('ChatChannel', { constructor: 'x', room: 'general' }), confirm('FreeChannel', { constructor: 'x' }), reply(1, { own: true, value: 'x', inherits: false })], anyOrder: true },
  { row: 44, about: 'a prototype for a constructor in data', state: 'S1', ...each([speak('{"constructor":{"prototype":{"x":1}}}'), speak('{"a":{"constructor":{"prototype":1}}}'), '{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"speak","constructor":{"prototype":1}}'], error('invalid_message')) },
  { row: 45, about: 'a prototype deep in data', state: 'S1', ...each([speak('{"a":[{"__proto__":1}]}'), speak('{"__proto__":{"polluted":1}}'), speak('[[[{"__proto__":null}]]]')], error('invalid_message')) },
  { row: 46, about: 'params with names that mean something to the language', state: 'S0', ...different('{"hasOwnProperty":1,"room":"general"}', '{"toJSON":1,"room":"general"}', '{"then":1,"room":"general"}', '{"length":-1,"room":"general"}', '{"valueOf":1,"toString":1}', '{"prototype":{}}') },
  { row: 47, about: 'params with one value too many, and one level too many', state: 'S0', say: [free(`{"a":${json(Array(63).fill(0))}}`), free(`{"a":${json(Array(64).fill(0))}}`), free(`{"a":${nested(3)}}`), free(`{"a":${nested(4)}}`)], hear: [confirm('FreeChannel', { a: Array(63).fill(0) }), error('invalid_message'), confirm('FreeChannel', { a: [[[0]]] }), error('invalid_message')], anyOrder: true },
  { row: 48, about: 'an identity as long as may be, and one longer', state: 'S0', say: [free(`{"a":"${'x'.repeat(4000)}"}`), free(`{"a":"${'x'.repeat(4096)}"}`), free(`{"a":"${'x'.repeat(60_000)}"}`)], hear: [confirm('FreeChannel', { a: 'x'.repeat(4000) }), error('invalid_message'), error('invalid_message')], anyOrder: true },
  { row: 49, about: 'ten kilobytes of brackets', state: 'S0', ...each([free(`{"a":${nested(5000)}}`), nested(5000, ''), `{"command":"pong","data":${nested(5000)}}`, speak(nested(5000)), free('{"a":'.repeat(5000) + '1' + '}'.repeat(5000)), speak('{"a":'.repeat(5000) + '1' + '}'.repeat(5000))], error('invalid_message')) },
  { row: 50, about: 'data as deep as may be, and deeper', state: 'S1', say: [speak(nested(32)), speak(nested(33))], hear: [said(JSON.parse(nested(32))), error('invalid_message')], anyOrder: true },
  { row: 51, about: 'data with too many values, and with many bytes', state: 'S1', say: [speak(json(Array(10_001).fill(0))), speak(`"${'x'.repeat(60_000)}"`), speak(`"${'\\u0000'.repeat(10_000)}"`)], hear: [error('invalid_message'), said('x'.repeat(60_000)), said('\u0000'.repeat(10_000))], anyOrder: true },
  { row: 52, about: 'data with as many values as may be, and with numbers for keys', state: 'S1', say: [speak(json(Array(10_000).fill(0))), speak('{"10":1,"9":2,"1":3}'), speak('{"":""}')], hear: [said(Array(10_000).fill(0)), said({ 1: 3, 9: 2, 10: 1 }), said({ '': '' })] },
  { row: 53, about: 'a channel that throws while it is subscribed to', state: 'S0', say: [subscribe('BoomChannel')], hear: [rejected('BoomChannel', {}, 'error')], ran: { 'BoomChannel.unsubscribed': 0 }, alarms: 1 },
  { row: 54, about: 'a channel that turns strangers away', state: 'S0', say: [subscribe('InboxChannel')], hear: [rejected('InboxChannel')] },
  { row: 55, about: 'an unsubscribe while subscribed() runs', state: 'S0', say: [subscribe('SlowChannel'), unsubscribe('SlowChannel')], hear: [confirm('SlowChannel')], ran: { 'SlowChannel.subscribed': 1, 'SlowChannel.unsubscribed': 1 } },
  { row: 56, about: 'a second subscribe while subscribed() runs', state: 'S0', say: [subscribe('SlowChannel'), subscribe('SlowChannel')], hear: [confirm('SlowChannel'), confirm('SlowChannel')], ran: { 'SlowChannel.subscribed': 1, 'SlowChannel.unsubscribed': 0 } },
  { row: 57, about: 'a line that is cut while subscribed() runs', state: 'S0', say: [subscribe('SlowChannel')], hear: [], hangUp: true, ran: { 'SlowChannel.subscribed': 1, 'SlowChannel.unsubscribed': 1 } },
  { row: 58, about: 'a message before the confirmation', state: 'S0', say: [subscribe('SlowChannel'), message('act', undefined, undefined, {}, 'SlowChannel')], hear: [confirm('SlowChannel'), sent('SlowChannel', {}, { acted: true })] },
  { row: 59, about: 'one subscribe too many', state: 'S0', say: many(101, n => free(`{"n":${n}}`)), hear: [...many(100, n => n as never).map((_, n) => confirm('FreeChannel', { n })), rejected('FreeChannel', { n: 100 }, 'too_many_subscriptions')], anyOrder: true, leave: [unsubscribe('FreeChannel', { n: 0 })] },
  { row: 60, about: 'subscribe, unsubscribe, subscribe', state: 'S0', say: [subscribe('SlowChannel'), unsubscribe('SlowChannel'), subscribe('SlowChannel')], hear: [confirm('SlowChannel'), confirm('SlowChannel')], ran: { 'SlowChannel.subscribed': 2, 'SlowChannel.unsubscribed': 1 } },
  { row: 61, about: 'messages to what is not subscribed to', state: 'S1', ...each([message('speak', {}, undefined, { room: 'other' }), message('speak', {}, undefined, null), message('act', {}, undefined, {}, 'SlowChannel'), message('speak', {}, undefined, {}, 'NoChannel'), message('speak', {}, undefined, general, '')], error('not_subscribed')) },
  { row: 62, about: 'a message after a rejection', state: 'S1', say: [subscribe('InboxChannel'), message('speak', {}, undefined, {}, 'InboxChannel'), message('speak', {}, 5, {}, 'InboxChannel')], hear: [rejected('InboxChannel'), error('not_subscribed'), failure(5, 'not_subscribed')] },
  { row: 63, about: 'no action', state: 'S1', ...actions('invalid_action', undefined, '', null) },
  { row: 64, about: 'actions that are no strings', state: 'S1', ...actions('invalid_action', 1, true, [], ['speak'], { toString: 'speak' }, { startsWith: 1 }) },
  { row: 65, about: 'names that begin with an underscore', state: 'S1', ...actions('invalid_action', '_hidden', '_', '__proto__', '__defineGetter__', '__lookupGetter__', '_speak') },
  { row: 66, about: 'hooks for actions', state: 'S1', ...actions('invalid_action', 'subscribed', 'unsubscribed') },
  { row: 67, about: 'words of the channel for actions', state: 'S1', ...actions('invalid_action', 'send', 'broadcast', 'reject', 'streamFrom', 'stopStreamFrom', 'stopAllStreams', 'stream_from', 'stop_stream_from', 'stop_all_streams') },
  { row: 68, about: 'what a channel has for actions', state: 'S1', ...actions('invalid_action', 'params', 'app', 'user', 'request', 'channelName', 'authenticated', 'signal', 'log', 'tab') },
  { row: 69, about: 'words of promises for actions', state: 'S1', say: ['then', 'catch', 'finally'].map(name => message(name)), hear: [error('invalid_action'), error('unknown_action'), error('unknown_action')] },
  { row: 70, about: 'the constructor for an action', state: 'S1', ...actions('invalid_action', 'constructor'), ran: { 'ChatChannel.subscribed': 1 } },
  { row: 71, about: 'what every object has for actions', state: 'S1', ...actions('unknown_action', 'toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', 'toLocaleString', 'propertyIsEnumerable') },
  { row: 72, about: 'words of functions and arrays for actions', state: 'S1', ...actions('unknown_action', 'call', 'apply', 'bind', 'prototype', 'name', 'length', 'actions', '0') },
  { row: 73, about: 'actions that are almost one', state: 'S1', ...actions('unknown_action', 'nonexistent', 'speak ', 'Speak', 'speak\u0000', '\uff33\uff30\uff25\uff21\uff2b', ' speak', 'speak()') },
  { row: 74, about: 'a getter', state: 'Odd', say: [odd('secret'), odd('secret', 1)], hear: [error('unknown_action'), failure(1, 'unknown_action')], ran: { secret: 0, 'secret called': 0, 'secret set': 0 } },
  { row: 75, about: 'what is public in other ways', state: 'Odd', ...each(['make', 'arrow', '#priv', 'priv', 'hidden', 'Symbol(hidden)'].map(name => odd(name)), error('unknown_action')), ran: { make: 0, arrow: 0, '#priv': 0, hidden: 0 } },
  { row: 76, about: 'a method of the app’s own base class, and an overridden word of Channel’s', state: 'Odd', say: [odd('inherited', 1), odd('send', 2), odd('_hidden', 3)], hear: [reply(1, 'inherited'), failure(2, 'invalid_action'), failure(3, 'invalid_action')], ran: { _hidden: 0 } },
  { row: 78, about: 'an action that throws', state: 'Odd', say: [odd('boom'), odd('boom', 'x')], hear: [error('error'), failure('x')], alarms: 2 },
  { row: 79, about: 'an action with a long name', state: 'S1', ...actions('invalid_action', 'a'.repeat(65), 'a'.repeat(60_000)) },
  { row: 80, about: 'an action with a name as long as may be, and half a character', state: 'S1', say: [message('a'.repeat(64)), '{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"\\ud800"}'], hear: [error('unknown_action'), error('invalid_action')] },
  { row: 81, about: 'no data', state: 'S1', say: [message('speak'), message('speak', null)], hear: [said({}), said({})] },
  { row: 82, about: 'data that is no object', state: 'S1', say: ['text', 1, [], false, 0, ''].map(value => message('speak', value)), hear: ['text', 1, [], false, 0, ''].map(said) },
  { row: 83, about: 'returns that JSON cannot carry', state: 'Odd', ...unencodable('bigint', 'circular', 'fn', ...isDeepRefused() ? ['deep'] : [], 'rejects', 'badJson', 'badGetter', 'symbol', 'thenable', 'throwsNothing', 'throwsOddly') },
  { row: '83b', about: 'a broadcast nobody waits for that JSON cannot carry', state: 'Odd', say: [odd('lateBoom', 1)], hear: [reply(1)], alarms: 1 },
  { row: 84, about: 'ids that are none', state: 'S1', ...each(['"\\ud800"', `"${'i'.repeat(65)}"`, '-1', '1.5', 'true', '{}', '[]', '9007199254740992', '1e999'].map(id => `{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"speak","id":${id}}`), error('invalid_message')), ran: { speak: 0 } },
  { row: '84b', about: 'ids at their limits, and none', state: 'S1', say: ['"' + 'i'.repeat(64) + '"', '""', '0', '9007199254740991', 'null'].map(id => `{"command":"message","channel":"ChatChannel","params":{"room":"general"},"action":"","id":${id}}`), hear: [failure('i'.repeat(64), 'invalid_action'), failure('', 'invalid_action'), failure(0, 'invalid_action'), failure(Number.MAX_SAFE_INTEGER, 'invalid_action'), error('invalid_action')] },
  { row: 85, about: 'one id twice in flight', state: 'S1', say: [message('speak', 1, 7), message('speak', 2, 7)], hear: [said(1), reply(7), said(2), reply(7)] },
  { row: 86, about: 'an unsubscribe, and a message after it', state: 'S1', say: [unsubscribe('ChatChannel', general), message('speak'), message('speak', {}, 1)], hear: [error('not_subscribed'), failure(1, 'not_subscribed')], ran: { 'ChatChannel.unsubscribed': 1, speak: 0 } },
  { row: 87, about: 'two unsubscribes', state: 'S1', say: [unsubscribe('ChatChannel', general), unsubscribe('ChatChannel', general)], hear: [], ran: { 'ChatChannel.unsubscribed': 1 } },
  { row: 88, about: 'an unsubscribe from what was never subscribed to', state: 'S0', say: [unsubscribe('ChatChannel', general), unsubscribe('NoChannel'), unsubscribe('ChatChannel'), '{"command":"unsubscribe"}', unsubscribe('__proto__')], hear: [], ran: { 'ChatChannel.unsubscribed': 0 } },
  { row: 89, about: 'an unsubscribe with no string for a channel', state: 'S0', ...each([unsubscribe(1), unsubscribe(null), unsubscribe('ChatChannel', []), unsubscribe('ChatChannel', 'general')], error('invalid_message')) },
  { row: 90, about: 'positions that are none', state: 'S1', say: ['nope', { s: 'nope' }, { s: { e: 'xyz', o: 1 } }, { s: { e: '0000abcd', o: -1 } }, { s: { e: 'x', o: true } }, { s: 'x.1e99' }, [], 1, positions(100)].map(value => subscribe('ChatChannel', general, { positions: value })), hear: Array(9).fill(confirm('ChatChannel', general)), ran: { 'ChatChannel.subscribed': 1 } },
  { row: '90b', about: 'positions of too many streams', state: 'S1', ...each([subscribe('ChatChannel', general, { positions: positions(101) })], error('invalid_message')) },
  { row: 91, about: 'positions of somebody else’s stream', state: 'S0', say: [subscribe('ChatChannel', general, { positions: { inbox_1: 'e.0', chat_secret: 'e.0', chat_bystander: 'e.0' } })], hear: [confirm('ChatChannel', general)] },
  { row: 92, about: 'words of the other dialect that are none', state: 'S0', say: [subscribe('ChatChannel', general, { tab: 1, future: { a: [1] } }), subscribe('ChatChannel', general, { tab: 't'.repeat(65) }), subscribe('ChatChannel', general, { ref: -1 }), subscribe('ChatChannel', general, { ref: {} })], hear: [confirm('ChatChannel', general), confirm('ChatChannel', general), error('invalid_message'), error('invalid_message')], anyOrder: true },
  { row: 93, about: 'a client of another framework', state: 'S0', say: ['{"command":"subscribe","identifier":"{\\"channel\\":\\"ChatChannel\\"}"}'], hear: [rejected('', {}, 'unknown_channel')] },
  { row: 94, about: 'clients of three more', state: 'S0', say: ['["1","1","room:1","phx_join",{}]', '40{"sid":1}', '{"type":"connection_init"}', '42["chat",{}]', '{"event":"pusher:subscribe","data":{"channel":"x"}}'], hear: [error('invalid_message'), error('invalid_json'), error('unknown_command'), error('invalid_json'), error('unknown_command')] },
  { row: 96, about: 'everything at once', state: 'S1', say: [message('speak', 'a'), 'nonsense', message('speak', 'b', 1), message('nothing'), unsubscribe('ChatChannel', general), chat('{"room":"general"}'), message('speak', 'c')], hear: [said('a'), error('invalid_json'), said('b'), reply(1), error('unknown_action'), confirm('ChatChannel', general), said('c')], anyOrder: true, ran: { 'ChatChannel.subscribed': 2, 'ChatChannel.unsubscribed': 1, speak: 3 } },
  { row: 97, about: 'text that means something elsewhere', state: 'S1', say: [speak(json('</script><script>')), speak('"\\u2028\\u2029"'), speak(json('\u001b[2J\u001b]0;x\u0007')), speak(json('%s%n%d')), speak(json('{"level":60}\n{"level":60}')), message('\u001b[2J\n{"level":60}', {}, undefined)], hear: [said('</script><script>'), said('\u2028\u2029'), said('\u001b[2J\u001b]0;x\u0007'), said('%s%n%d'), said('{"level":60}\n{"level":60}'), error('unknown_action')] }
]

function typed (...values: unknown[]): Pick<Row, 'say' | 'hear'> {
  return { say: values.map(value => subscribe('ChatChannel', { room: value })), hear: values.map(value => rejected('ChatChannel', { room: value }, 'invalid_params')) }
}

/** Texts that name one and the same subscription; each answer echoes its own. */
function same (...params: string[]): Pick<Row, 'say' | 'hear' | 'ran'> {
  return { say: params.map(free), hear: params.map(text => confirm('FreeChannel', JSON.parse(text))), ran: { 'FreeChannel.subscribed': 1 } }
}

function different (...params: string[]): Pick<Row, 'say' | 'hear' | 'ran'> {
  return { say: params.map(free), hear: params.map(text => confirm('FreeChannel', JSON.parse(text))), ran: { 'FreeChannel.subscribed': params.length } }
}

function unencodable (...names: string[]): Pick<Row, 'say' | 'hear' | 'alarms'> {
  return { say: names.map(name => odd(name, name)), hear: names.map(name => failure(name)), alarms: names.length }
}

/** Newer engines write a value of any depth: there it is an answer like any other. */
function isDeepRefused (): boolean {
  let value: unknown = 0
  for (let level = 0; level < 5000; level++) value = [value]
  try {
    JSON.stringify(value)
    return false
  } catch {
    return true
  }
}

/** The counts a row is about, from zero. */
export function forget (): void {
  ran.clear()
}
