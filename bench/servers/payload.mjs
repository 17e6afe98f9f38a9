// What every server broadcasts: one chat message of about 130 bytes (or, with HTML=1, 2 kB of markup), with the number that lets a listener prove that it missed none.

const text = process.env.HTML === '1'
  ? Array.from({ length: 16 }, (_, i) => `<li class="message" id="message-${i * 37}"><b class="sender">ana</b><p>Number ${i * i} of them is here, and the next comes.</p></li>`).join('\n')
  : 'The quick brown fox jumps over the lazy dog, and then again.'

/** The message a client asked to have broadcast. `n` stands last, so that a counting client finds it without parsing. */
export function message (stream, n) {
  return { sender: 'ana', text, stream, n }
}

/** The port to listen on and how to say that the server does. */
export const port = Number(process.env.PORT)
export function ready () {
  process.stdout.write('ready\n')
}
