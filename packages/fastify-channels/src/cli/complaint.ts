// A sentence for whoever typed the command: what is wrong and what to type instead. Never a bug of ours.

export class Complaint extends Error {
  override readonly name = 'Complaint'
}
