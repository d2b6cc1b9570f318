// The list on disk, when it is not older than the newest that was seen.

import { hash } from 'node:crypto';
import { CustodyError } from './error.ts';
import { type KeyholderList, LIST_LIMITS, parseList } from './list.ts';
import { readCheckedFile } from './private-file.ts';
import type { KeyholderState } from './state-codec.ts';

/** @throws CustodyError LIST_… */
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
  return { list, digest };
}
