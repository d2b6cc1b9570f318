import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Debian's interpreter: the one that has python3-stem. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../../descriptor/stem-open.py', import.meta.url));

/** What stem, a reader of other authors, reads in a descriptor. */
export interface ReadByStem {
  readonly revisionCounter: string;
  readonly points: readonly { readonly authKey: string }[];
}

/** Opens all texts of an address (62 characters) with stem; `{ refused }` for those that it does not accept. */
export function openWithStem(
  texts: readonly string[],
  address: string,
): (ReadByStem | { readonly refused: string })[] {
  const input = JSON.stringify(texts.map(text => ({ text, address })));
  const run = spawnSync(PYTHON, [SCRIPT], { input, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`install python3-stem: ${run.stderr}`);
  return JSON.parse(run.stdout) as (ReadByStem | { refused: string })[];
}
