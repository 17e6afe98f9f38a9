// Passwords: hashed with scrypt and a salt of their own, compared in constant time.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify<string, Buffer, number, Buffer>(scrypt)

export async function hashPassword (password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive(password, salt, 32)
  return `${salt.toString('base64')}:${hash.toString('base64')}`
}

export async function isPassword (password: string, hashed: string): Promise<boolean> {
  const [salt, hash] = hashed.split(':').map(part => Buffer.from(part, 'base64'))
  return timingSafeEqual(await derive(password, salt!, 32), hash!)
}
