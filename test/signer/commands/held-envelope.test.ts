import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { CustodyError, type CustodyErrorCode } from '../../../src/pkcs11/error.ts';
import {
  checkCustodians,
  countRecipients,
  readHeld,
  recipientNames,
  replaceHeld,
  withFirstToken,
} from '../../../src/signer/commands/held-envelope.ts';
import { parseConfig } from '../../../src/signer/config.ts';
import { SignerError } from '../../../src/signer/contract/problems.ts';

const folder = mkdtempSync(join(tmpdir(), 'held-envelope-'));
afterAll(() => rmSync(folder, { recursive: true }));
const yaml = [
  'tokens: ["pkcs11:token=a", "pkcs11:token=b"]',
  'pin: tty',
  'publishers: { vps1: unix }',
  `state: ${folder}`,
];
const config = parseConfig(`${yaml.join('\n')}\n`, join(folder, 'signer.yaml'));
mkdirSync(config.envelopes);
const path = join(config.envelopes, 'frontpage.age');

/** The example of docs/formats/envelope.md. */
const page = readFileSync(new URL('../../../docs/formats/envelope.md', import.meta.url), 'utf8');
const [header = '', body = ''] = [...page.matchAll(/^```text\n(.*?)^```$/gmsu)].map(([, text]) => text);
const example = Buffer.concat([Buffer.from(header, 'latin1'), Buffer.from(body.replaceAll('\n', ''), 'hex')]);
beforeEach(() => writeFileSync(path, example, { mode: 0o600 }));

describe('the envelope of a service', () => {
  test('is replaced in one step, with owner and mode as they were', () => {
    chmodSync(path, 0o640);
    if (process.geteuid?.() === 0) chownSync(path, 12_345, 54_321);
    const { uid, gid, mode } = statSync(path);
    const held = readHeld(config, 'frontpage');
    replaceHeld(held, Buffer.from('new'));
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path)).toMatchObject({ uid, gid, mode });
  });

  test('is not replaced when somebody else changed it meanwhile', () => {
    const held = readHeld(config, 'frontpage');
    writeFileSync(path, 'of somebody else');
    expect(() => replaceHeld(held, Buffer.from('new'))).toThrow(SignerError);
    expect(readFileSync(path, 'utf8')).toBe('of somebody else');
  });

  test('has its recipients counted, also one without a name', () => {
    const { header: named } = readHeld(config, 'frontpage');
    expect(recipientNames(named)).toEqual(['Tu8vi7AvUp9dX2fM', expect.stringMatching(/^age1/u)]);
    const text = example.toString('latin1').replace(/-> onion-signer-recipient X25519 .*\n\n/u, '');
    writeFileSync(path, Buffer.from(text, 'latin1'));
    const { header: unnamed } = readHeld(config, 'frontpage');
    expect(recipientNames(unnamed)).toEqual(['Tu8vi7AvUp9dX2fM', '']);
    expect(countRecipients(unnamed)).toBe(2);
  });
});

test('one recipient alone is refused unless it is accepted in words', () => {
  checkCustodians(2, undefined);
  checkCustodians(1, true);
  expect(() => checkCustodians(1, undefined)).toThrow(SignerError);
  expect(() => checkCustodians(0, false)).toThrow(SignerError);
});

describe('the next token is asked', () => {
  const ask = async (code: CustodyErrorCode): Promise<{ asked: string[]; outcome: string }> => {
    const asked: string[] = [];
    const outcome = await withFirstToken(config, async ({ uri }) => {
      asked.push(uri);
      if (asked.length === 1) throw new CustodyError(code);
      return await Promise.resolve('opened');
    }).catch((error: unknown) => (error instanceof CustodyError ? error.code : 'other'));
    return { asked, outcome };
  };

  test.each(['TOKEN_NOT_FOUND', 'TOKEN_DEAD', 'ENVELOPE_NO_RECIPIENT'] as const)('after %s', async code => {
    expect(await ask(code)).toEqual({ asked: ['pkcs11:token=a', 'pkcs11:token=b'], outcome: 'opened' });
  });

  test.each(['PIN_INCORRECT', 'ENVELOPE_MAC', 'RECIPIENT_UNKNOWN'] as const)('not after %s', async code => {
    expect(await ask(code)).toEqual({ asked: ['pkcs11:token=a'], outcome: code });
  });
});
