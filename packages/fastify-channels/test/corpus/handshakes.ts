// Handshakes and what becomes of them, as data. Runs nothing.

/** The headers to change in a good handshake: null leaves one out, a list sends it more than once. */
export type Change = { readonly [name: string]: string | readonly string[] | null }

export interface HandshakeRow {
  readonly row: string
  readonly about: string
  readonly change?: Change
  readonly line?: string
  readonly status: number
  /** Headers the answer must have, or, with null, must not have. */
  readonly answer?: { readonly [name: string]: string | null }
}

const evil = 'https://evil.test'

/** The app listens to `app.example`, takes its pages from https://app.example, has a route /plain, and keeps its time-outs short. */
export const handshakes: readonly HandshakeRow[] = [
  { row: 'H1', about: 'a good one', change: { Origin: 'https://app.example' }, status: 101, answer: { 'sec-websocket-accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'sec-websocket-protocol': null } },
  { row: 'H2', about: 'an evil origin', change: { Origin: evil }, status: 403 },
  { row: 'H2b', about: 'the origin of a sandbox', change: { Origin: 'null' }, status: 403 },
  { row: 'H2c', about: 'two origins', change: { Origin: ['https://app.example', evil] }, status: 403 },
  { row: 'H2d', about: 'an origin with a user', change: { Origin: 'https://app@evil.test' }, status: 403 },
  { row: 'H3', about: 'a host with blanks and brackets', change: { Host: 'a b<>' }, status: 400 },
  { row: 'H3b', about: 'a host with a user', change: { Host: 'app@evil.test' }, status: 400 },
  { row: 'H3c', about: 'no host', change: { Host: null }, status: 400 },
  { row: 'H3d', about: 'two hosts', change: { Host: ['app.example', 'evil.test'] }, status: 400 },
  { row: 'H3e', about: 'an empty host', change: { Host: '' }, status: 400 },
  { row: 'H3f', about: 'a host with a path', change: { Host: 'app.example/cable' }, status: 400 },
  { row: 'H3g', about: 'a host with a port that is none', change: { Host: 'app.example:port' }, status: 400 },
  { row: 'H4', about: 'no key', change: { 'Sec-WebSocket-Key': null }, status: 400 },
  { row: 'H5', about: 'a short key', change: { 'Sec-WebSocket-Key': 'short' }, status: 400 },
  { row: 'H6', about: 'a POST', line: 'POST /cable HTTP/1.1', status: 404 },
  { row: 'H6b', about: 'a method nobody knows', line: 'BREW /cable HTTP/1.1', status: 400 },
  { row: 'H7', about: 'an upgrade to something else', change: { Upgrade: 'h2c' }, status: 400 },
  { row: 'H8', about: 'a version nobody speaks', change: { 'Sec-WebSocket-Version': '7' }, status: 400, answer: { 'sec-websocket-version': '13, 8' } },
  { row: 'H8b', about: 'no version', change: { 'Sec-WebSocket-Version': null }, status: 400 },
  { row: 'H9', about: 'an ordinary route', line: 'GET /plain HTTP/1.1', status: 404 },
  { row: 'H9b', about: 'an ordinary route in a context of its own', line: 'GET /inner/plain HTTP/1.1', status: 404 },
  { row: 'H9c', about: 'an ordinary route that answers everything', line: 'PUT /all HTTP/1.1', status: 404 },
  { row: 'H10', about: 'a path that is none', line: 'GET /nope HTTP/1.1', status: 404 },
  { row: 'H10b', about: 'a path that is almost ours', line: 'GET /cable/ HTTP/1.1', status: 404 },
  { row: 'H10c', about: 'our path in capitals', line: 'GET /CABLE HTTP/1.1', status: 404 },
  { row: 'H11', about: 'a path that cannot be decoded', line: 'GET /%zz HTTP/1.1', status: 400 },
  { row: 'H12', about: 'our path with a query', line: 'GET /cable?a=1&a[]=2&__proto__=3 HTTP/1.1', status: 101 },
  { row: 'H13', about: 'an extension with bad syntax', change: { 'Sec-WebSocket-Extensions': 'permessage-deflate; x="\\c\\c' }, status: 101, answer: { 'sec-websocket-extensions': null } },
  { row: 'H13b', about: 'a good extension, while compression is off', change: { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }, status: 101, answer: { 'sec-websocket-extensions': null } },
  { row: 'H14', about: 'seventeen kilobytes of one header', change: { 'X-Long': 'x'.repeat(17 * 1024) }, status: 431 },
  { row: 'H15', about: 'a thousand cookies', change: { Cookie: Array.from({ length: 1000 }, (_, n) => `c${n}=${n}`).join('; ') }, status: 101 },
  { row: 'H15b', about: 'twelve kilobytes of cookie', change: { Cookie: `session=${'x'.repeat(12_000)}` }, status: 101 },
  { row: 'H16', about: 'a subprotocol of ours', change: { 'Sec-WebSocket-Protocol': 'channels-v1' }, status: 101, answer: { 'sec-websocket-protocol': 'channels-v1' } },
  { row: 'H16b', about: 'a subprotocol of ours after another', change: { 'Sec-WebSocket-Protocol': 'evil, channels-v1' }, status: 101, answer: { 'sec-websocket-protocol': 'channels-v1' } },
  { row: 'H16c', about: 'a subprotocol that is not ours', change: { 'Sec-WebSocket-Protocol': 'evil' }, status: 101, answer: { 'sec-websocket-protocol': null } },
  { row: 'H16d', about: 'a subprotocol that every object has', change: { 'Sec-WebSocket-Protocol': 'constructor, __proto__' }, status: 101, answer: { 'sec-websocket-protocol': null } },
  { row: 'H16e', about: 'subprotocols with bad syntax', change: { 'Sec-WebSocket-Protocol': 'a,,b' }, status: 400 },
  { row: 'H20', about: 'cookies that cannot be read', change: { Cookie: 'session=%zz; session="a; ;;=;=b' }, status: 101 }
]

/** Origins an app at https://app.example must not let in, whatever its host says. */
export const hostileOrigins: readonly (string | readonly string[])[] = [
  'http://evil.test', evil, 'null', 'NULL', '', ' ', 'file://', 'file:///etc/passwd', 'about:blank', 'data:text/html,x', 'javascript:alert(1)', 'blob:https://app.example/x', 'chrome-extension://abcdefgh', 'ws://app.example', 'wss://app.example',
  'https://app.example.evil.test', 'https://app.example.', 'https://evilapp.example', 'https://evil.test/?https://app.example', 'https://evil.test#https://app.example', 'https://evil.test/https://app.example', 'https://app.example/', 'https://app.example/path',
  'https://app.example@evil.test', 'https://evil.test@app.example', 'https://app:pass@app.example', 'https://app.example:444', 'https://app.example:80', 'https://app.example:0', 'https://app.example:99999', 'https://app.example:', 'https://app.example:x',
  'https://app.example, https://evil.test', ['https://app.example', 'https://evil.test'], ['https://app.example', 'https://app.example'], 'https:app.example', 'https:/app.example', 'https:\\\\app.example', 'https://app%2eexample', 'https://app.example%00', 'https://app.example\tevil',
  'app.example', '//app.example', '*', 'https://*', 'https://аpp.example', 'https://[::1]', 'https://sub.app.example', 'https://example', 'https://app-example', 'https://appxexample'
]

/** Origins it must let in, each with the Host it comes with. */
export const goodOrigins: ReadonlyArray<{ readonly origin: string | null, readonly host?: string, readonly cookie?: string }> = [
  { origin: 'https://app.example' }, { origin: 'https://APP.example' }, { origin: 'https://app.example:443' }, { origin: 'https://APP.EXAMPLE:443' }, { origin: 'HTTPS://app.example' },
  { origin: null }, { origin: null, cookie: 'session=x' }, { origin: 'https://app.example', host: 'app.example:443' }, { origin: 'https://app.example', host: 'APP.example' }, { origin: 'https://app.example', cookie: 'session=x' }
]
