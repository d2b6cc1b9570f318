import { join } from 'node:path';
import type { Bytes } from '../../../src/descriptor/index.ts';
import { encodeBase64, toHex } from '../../../src/descriptor/bytes.ts';
import { openCookie } from '../../../src/descriptor/client-auth.ts';
import { DescriptorError, type DescriptorErrorCode } from '../../../src/descriptor/error.ts';
import { formatOnionAddress } from '../../../src/descriptor/onion-address.ts';
import { openDescriptor, openWithBlindedKey } from '../../../src/descriptor/open.ts';
import { runProgram } from '../../tor-network/tor-program.ts';
import type { Made } from './make.ts';

/** Debian's interpreter: the one that has python3-stem. */
const PYTHON = '/usr/bin/python3';
const STEM = join(import.meta.dirname, 'stem-verdicts.py');

/** `taken`, or the code with which our reader refuses. */
export type OurVerdict = 'taken' | DescriptorErrorCode;

/** Our reader as a directory has to read, who knows no address, and as a client. */
export interface OurVerdicts {
  readonly outer: OurVerdict;
  readonly whole: OurVerdict;
}

export interface StemVerdict {
  readonly outer: boolean;
  readonly whole: boolean;
  /** Why not. */
  readonly exception?: string;
}

/** What our reader makes of a mutant; it is given what tor's client has: address, time and a client's key. */
export function judgeOurs({ text, kpHsId, period, at, client }: Made): OurVerdicts {
  const options = { kpHsId, periods: [period], nowSeconds: at };
  return {
    outer: verdict(() => openWithBlindedKey(text, { nowSeconds: at })),
    whole: verdict(() => {
      const { middle, subcredential, inner } = openDescriptor(text, options);
      const cookie = client === undefined ? undefined : openCookie(client, middle, subcredential);
      if (inner === undefined && cookie !== undefined)
        openDescriptor(text, { ...options, descriptorCookie: cookie });
    }),
  };
}

function verdict(open: () => unknown): OurVerdict {
  try {
    open();
    return 'taken';
  } catch (error) {
    if (error instanceof DescriptorError) return error.code;
    throw error;
  }
}

/** What stem makes of mutants; it is given the cookie, since it knows no client authorization. */
export async function judgeStem(made: readonly Made[]): Promise<StemVerdict[]> {
  const requests = made.map(({ text, kpHsId, descriptorCookie = new Uint8Array() as Bytes }) => ({
    text: encodeBase64(text),
    address: formatOnionAddress(kpHsId).slice(0, 56),
    cookie: toHex(descriptorCookie),
  }));
  return JSON.parse(await runProgram(PYTHON, [STEM], JSON.stringify(requests))) as StemVerdict[];
}
