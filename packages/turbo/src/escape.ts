// Text as HTML: what comes out is, to any parser, the text that went in. Never decides where it may stand.

// A carriage return written as itself would be read as a line feed.
const special = /[&<>"'\r\0]/g

/**
 * Text for an element's content or a quoted attribute.
 * HTML has no way to write the character NUL; it becomes U+FFFD, as parsers make of it.
 */
export function escape (text: string): string {
  return text.replace(special, character => character === '\0' ? '\uFFFD' : `&#${character.charCodeAt(0)};`)
}
