import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromHex, parseOnionAddress, toHex } from '../../src/descriptor/index.ts';
import { parseAgeSecretKey } from '../../src/pkcs11/bech32.ts';
import { openEnvelope, unlockWithPaper } from '../../src/pkcs11/envelope.ts';
import { parseEnvelope } from '../../src/pkcs11/envelope-header.ts';
import { recipientName } from '../../src/pkcs11/recipient.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };

const page = readFileSync(new URL('../../docs/formats/envelope.md', import.meta.url), 'utf8');
const [header = '', body = ''] = [...page.matchAll(/^```text\n(.*?)^```$/gmsu)].map(([, text]) => text);
const file = Buffer.concat([Buffer.from(header, 'latin1'), Buffer.from(body.replaceAll('\n', ''), 'hex')]);

test('the example of the format is what it says, byte by byte', () => {
  const text = /AGE-SECRET-KEY-1[A-Z0-9]{58}/u.exec(page)?.[0] ?? '';
  const privateKey = Buffer.alloc(32);
  parseAgeSecretKey(Buffer.from(text), privateKey);
  expect(privateKey).toEqual(Buffer.alloc(32, 0x42));
  expect(parseEnvelope(file).recipients.map(recipientName)).toEqual([
    'Tu8vi7AvUp9dX2fM',
    'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj',
  ]);
  const kpHsId = parseOnionAddress(`${chain.address}.onion`);
  openEnvelope(file, { kpHsId, unlock: unlockWithPaper(privateKey) }, ({ payload, origin }) => {
    expect(origin).toBe('born');
    expect(toHex(payload.subarray(32, 96))).toBe(chain.expandedSecret);
    expect(payload.subarray(96)).toEqual(Buffer.from(fromHex('77'.repeat(32))));
  });
});
