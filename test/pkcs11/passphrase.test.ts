import { expect, test, vi } from 'vitest';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { readPassphrase } from '../../src/pkcs11/passphrase.ts';
import { askTerminal } from '../../src/pkcs11/terminal.ts';
import { expectCodeOf } from './expect-code.ts';

vi.mock('../../src/pkcs11/terminal.ts');

const WORDS = 'correct horse battery';

test.each([
  ['never', undefined],
  ['otherwise', `${WORDS}.`],
  ['alike', WORDS],
])('what was typed is wiped when it is typed %s the second time', async (_, again) => {
  const lines = [Buffer.from(WORDS), ...(again === undefined ? [] : [Buffer.from(again)])];
  const asked = vi.mocked(askTerminal);
  for (const line of lines) asked.mockResolvedValueOnce(line);
  asked.mockRejectedValueOnce(new CustodyError('PIN_SOURCE'));
  const passphrase = readPassphrase({ kind: 'tty' }, true);
  if (again === WORDS) (await passphrase).wipe();
  else await expectCodeOf('PASSPHRASE', passphrase);
  expect(asked.mock.calls.length).toBe(2);
  for (const line of lines) expect(line.every(byte => byte === 0)).toBe(true);
  asked.mockReset();
});
