// The media type of turbo-streams: how an answer says that it is one, and a request that it takes one.

/** `reply.type(TURBO_STREAM_MIME).send(turboStream.append(…))` */
export const TURBO_STREAM_MIME = 'text/vnd.turbo-stream.html'

/** What is looked at of a request: Fastify's and Node's have it. */
export interface Asked {
  readonly headers: { readonly accept?: string | undefined }
}

// A quoted string may hold the commas and semicolons that elsewhere divide.
const ranges = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g
const parts = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g
const quality = /^q\s*=\s*([01](?:\.\d{0,3})?)$/i

/** True when the request asks for turbo-streams by name, as Turbo's forms do, and likes them no less than a page. */
export function wantsTurboStream ({ headers }: Asked): boolean {
  const accepted = readAccept(headers.accept ?? '')
  const weight = accepted.get(TURBO_STREAM_MIME) ?? 0
  return weight > 0 && weight >= (accepted.get('text/html') ?? 0)
}

/** Media types and how much each is wanted, 0 to 1 (RFC 9110 §12.5.1). */
function readAccept (accept: string): Map<string, number> {
  const accepted = new Map<string, number>()
  for (const range of accept.match(ranges) ?? []) {
    const [type, ...parameters] = range.match(parts)!.map(part => part.trim())
    const weight = parameters.find(parameter => /^q\s*=/i.test(parameter))
    accepted.set(type!.toLowerCase(), weight === undefined ? 1 : Number(quality.exec(weight)?.[1] ?? 0))
  }
  return accepted
}
