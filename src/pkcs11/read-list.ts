// The list on disk, when it is not older than the newest that was seen.

import { hash } from 'node:crypto';
import { CustodyError } from './error.ts';
import { type KeyholderList, LIST_LIMITS, parseList } from './list.ts';
import { isMemoryLocked } from './memory-word.ts';
import { readCheckedFile } from './private-file.ts';
import type { KeyholderState } from './state-codec.ts';

/** @throws CustodyError LIST_…; LOCKED_MEMORY when it asks for what this process went on without */
export function readList(
  path: string,
  { listSerial, listDigest }: Pick<KeyholderState, 'listSerial' | 'listDigest'>,
): { list: KeyholderList; digest: Uint8Array } {
  const demand = { maximum: LIST_LIMITS.bytes, forbidden: 0o022 } as const;
  const codes = { missing: 'LIST_MISSING', refused: 'LIST_OWNER' } as const;
  const bytes = readCheckedFile(path, { ...demand, ...codes });
  const list = parseList(bytes);
  const digest = hash('sha256', bytes, 'buffer');
  const changed = list.serial === listSerial && !digest.equals(listDigest);
  if (list.serial < listSerial || changed) throw new CustodyError('LIST_SERIAL');
  if (list.lockedMemory === 'required' && !isMemoryLocked()) throw new CustodyError('LOCKED_MEMORY');
  return { list, digest };
}

/** What the list says before there is a state to compare it with; the same bytes are read again, and then compared. @throws CustodyError LIST_… */
export const acceptsSwap = (path: string): boolean =>
  readList(path, { listSerial: 0, listDigest: new Uint8Array(0) }).list.lockedMemory === 'swap-accepted';
