// The checksum by which Redis Cluster spreads keys (CRC-16/XMODEM). Knows nothing of hash tags.

const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 8
  for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1
  return sum & 0xffff
})

/** The checksum of a text's UTF-8 bytes. */
export function crc16 (text: string): number {
  let sum = 0
  for (const byte of Buffer.from(text)) sum = ((sum << 8) & 0xffff) ^ table[((sum >> 8) ^ byte) & 0xff]!
  return sum
}
