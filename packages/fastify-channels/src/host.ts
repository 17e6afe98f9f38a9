// Which names this server answers to: a page that points its own name at our address (DNS rebinding) says that name in `Host`. Gives a status, never a log line.
import type { FastifyRequest } from 'fastify'
import { InvalidOption } from './errors.ts'

/** Hosts: `'app.example'` is that name on any port, `'app.example:8443'` that very port. */
export type HostOption = string | readonly string[]

/** 400 for a `Host` that is none, 403 for one that is not ours, null for a good one. */
export type HostCheck = (request: FastifyRequest) => 400 | 403 | null

// A name, an IPv4 or an IPv6 address, perhaps a port: no user, no path, no space. Names of containers have underscores.
const wellFormed = /^(?:[a-z0-9_](?:[a-z0-9._-]*)|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i

/** Makes the check. Without an option every well-formed host is ours. */
export function hostCheck (option: HostOption | undefined): HostCheck {
  const hosts = option === undefined ? null : new Set([option].flat().map(readHost))
  return request => {
    // With `trustProxy`, `request.host` is what the proxy says it was asked for; both must be hosts.
    const { host } = request
    if (!hasOneHost(request) || !wellFormed.test(request.headers.host ?? '') || !wellFormed.test(host)) return 400
    return hosts === null || hosts.has(host.toLowerCase()) || hosts.has(withoutPort(host.toLowerCase())) ? null : 403
  }
}

function readHost (host: unknown): string {
  if (typeof host !== 'string' || !wellFormed.test(host)) throw new InvalidOption("hosts is a host like 'app.example' or 'localhost:3000', or an array of these")
  return host.toLowerCase()
}

function withoutPort (host: string): string {
  return host.replace(/:\d+$/, '')
}

/** Node keeps the first of several `Host` headers, and a proxy in front of it might have read the last. */
function hasOneHost ({ raw }: FastifyRequest): boolean {
  // A handshake in memory has no raw headers, and nothing in front of it.
  const names = (raw.rawHeaders as readonly string[] | undefined)?.filter((_, index) => index % 2 === 0) ?? []
  return names.filter(name => name.toLowerCase() === 'host').length <= 1
}
