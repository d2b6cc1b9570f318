// What is known of backups, in words. Loads nothing: `status` is asked often.

/** When a recipient last opened the envelope, or a copy its passphrase. */
export interface Verified {
  /** Unix seconds. */
  readonly at: number;
  /** SHA-256 of the file that was opened, hex. */
  readonly file: string;
}

/** A recipient of an envelope, or a copy, and its last success. */
export interface RecipientState {
  readonly name: string;
  readonly verified?: Verified;
}

/** Service → its recipients and copies. */
export type Backups = ReadonlyMap<string, readonly RecipientState[]>;

/** `opened 2026-11-30 09:00 UTC`, with a word when that was another file than today's. */
export function verifiedText(verified: Verified | undefined, digest?: string): string {
  if (verified === undefined) return 'never opened yet';
  const when = new Date(verified.at * 1000).toISOString().slice(0, 16).replace('T', ' ');
  const earlier = digest === undefined || verified.file === digest ? '' : ', in an earlier file';
  return `opened ${when} UTC${earlier}`;
}

/** For one line of status: `age1zvkyg2l… opened 2026-11-30 09:00 UTC`. */
export function recipientState({ name, verified }: RecipientState): string {
  const short = name.startsWith('age1') ? `${name.slice(0, 12)}…` : name;
  return `${short === '' ? 'a recipient without a name' : short} ${verifiedText(verified)}`;
}
