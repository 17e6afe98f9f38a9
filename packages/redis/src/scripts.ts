// What Redis does in one step. A stream's KEYS: meta, history, epoch of its part.
import { createHash } from 'node:crypto'

/** A Lua script and the name Redis remembers it by. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** How long a stream's epoch and offset outlive its last broadcast. */
export const REMEMBERED = 30 * 24 * 60 * 60 * 1000
// Shorter, so that a stream that was forgotten cannot begin anew in the epoch it had.
const EPOCH = REMEMBERED - 60 * 60 * 1000

// A stream that never spoke stands at 0 of its part's epoch, and costs no key.
const partEpoch = `
local function partEpoch (key, candidate)
  local epoch = redis.call('GET', key)
  if not epoch then
    epoch = candidate
    redis.call('SET', key, epoch, 'PX', ${EPOCH})
  end
  return epoch
end
`

/**
 * Numbers a broadcast, keeps it and publishes it; gives its position.
 * ARGV: an epoch to begin with, size, ttl, the publish command, the channel, the envelope before and after the position.
 */
export const publish = script(`${partEpoch}
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
  -- A history without its meta: what is left of an epoch that must not go on.
  epoch = redis.call('DEL', KEYS[2]) == 1 and ARGV[1] or partEpoch(KEYS[3], ARGV[1])
  redis.call('HSET', KEYS[1], 'e', epoch)
end
local at = epoch .. '.' .. string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'o', 1))
redis.call('PEXPIRE', KEYS[1], ${REMEMBERED})
local envelope = ARGV[6] .. '"' .. at .. '"}\\n' .. ARGV[7]
local size, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
if size > 0 and ttl > 0 then
  redis.call('RPUSH', KEYS[2], envelope)
  redis.call('LTRIM', KEYS[2], -size, -1)
  redis.call('PEXPIRE', KEYS[2], ttl)
else
  redis.call('DEL', KEYS[2])
end
redis.call(ARGV[4], ARGV[5], envelope)
return at
`)

/**
 * Where streams stand and, where asked from an offset of a stream's epoch, all it still has after that: epoch, offset, envelopes of each.
 * ARGV: an epoch to begin with; then of each stream the epoch asked for or '', the offset after which, the offset up to which or ''.
 */
export const read = script(`${partEpoch}
local function readOne (meta, history, part, epoch, since, upTo)
  local at = redis.call('HMGET', meta, 'e', 'o')
  if not at[1] then return { partEpoch(part, ARGV[1]), '0', {} } end
  local kept = {}
  if at[1] == epoch then
    local newer = 0
    if upTo ~= '' then newer = tonumber(at[2]) - tonumber(upTo) end
    local after = tonumber(at[2]) - tonumber(since)
    if newer >= 0 and after > newer then kept = redis.call('LRANGE', history, -after, -newer - 1) end
  end
  return { at[1], at[2], kept }
end
local found = {}
for i = 1, #KEYS / 3 do
  local k, a = 3 * i, 3 * i - 1
  found[i] = readOne(KEYS[k - 2], KEYS[k - 1], KEYS[k], ARGV[a], ARGV[a + 1], ARGV[a + 2])
end
return found
`)

function script (source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
