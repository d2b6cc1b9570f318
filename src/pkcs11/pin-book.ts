// Which PINs an operator's commands tried: in a file of that operator, so that the next command knows of a refusal.

import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { CustodyError, toCustodyError } from './error.ts';
import { OpenAttempts, type PinStore, volatilePinStore } from './pin-memory.ts';
import { encodePinJudgement, parsePinJudgement, type PinJudgement } from './pin-tags.ts';
import { readCheckedFile, removeFile, replaceFile } from './private-file.ts';

const MAX_BOOK_BYTES = 0x1000;

/** `onion-signer/pins` below the folder where programs of this user keep their state. */
export function pinBookPath(): string {
  const folder = process.env['XDG_STATE_HOME'];
  const state = folder !== undefined && isAbsolute(folder) ? folder : join(homedir(), '.local', 'state');
  return join(state, 'onion-signer', 'pins');
}

/**
 * Read at each look, replaced at each change, mode 0600. The key of the tags lies beside them: whoever has the file can try
 * PINs against tags of wrong ones, and could read the source of the right one anyway. With `isOwn` a person names each token
 * with its PIN: that another one refused it says nothing. Throws PIN_BOOK, STATE_WRITE.
 */
export function filePinStore(path: string, { isOwn = false } = {}): PinStore {
  const fresh = volatilePinStore().judgement();
  const judgement = (): PinJudgement => ({ ...(readBook(path) ?? fresh), isOwn });
  return {
    judgement,
    attempts: new OpenAttempts(),
    nameOf: () => undefined,
    wasTaken: () => false,
    save: records => {
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      } catch (thrown) {
        throw toCustodyError(thrown, 'STATE_WRITE');
      }
      replaceFile(path, encodePinJudgement({ key: judgement().key, records, isOwn: false }));
    },
  };
}

/** Every PIN may be tried again by commands. */
export function forgetPinBook(path: string): void {
  removeFile(path);
}

function readBook(path: string): Pick<PinJudgement, 'key' | 'records'> | undefined {
  const demand = { maximum: MAX_BOOK_BYTES, forbidden: 0o077 } as const;
  try {
    return parsePinJudgement(
      readCheckedFile(path, { ...demand, missing: 'STATE_MISSING', refused: 'PIN_BOOK' }),
    );
  } catch (thrown) {
    if (thrown instanceof CustodyError && thrown.code === 'STATE_MISSING') return undefined;
    throw new CustodyError('PIN_BOOK', undefined, { cause: thrown });
  }
}
