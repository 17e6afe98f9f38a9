// A failure that says everything in its message, so that nobody prints a stack for it.
export class Complaint extends Error {
  name = 'Complaint'
}

/** What to show of an error: the words of a complaint, the whole stack of anything nobody expected. */
export function explain (error) {
  return error instanceof Complaint ? error.message : error?.stack ?? String(error)
}
