import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { parseAgeRecipient } from '../../src/pkcs11/bech32.ts';
import { x25519PublicInto } from '../../src/pkcs11/locked-memory.ts';
import { expectCode } from './expect-code.ts';

/** One key pair of the stock program. */
function ageKey(): { recipient: string } {
  const recipient = /public key: (age1\S+)/u.exec(
    execFileSync('age-keygen', { encoding: 'utf8', stdio: 'pipe' }),
  )?.[1];
  if (recipient === undefined) throw new Error('age-keygen shows no public key');
  return { recipient };
}

describe('an age recipient', () => {
  // The example key of the age specification (c2sp.org/age): the private key is 32 times 42 hex.
  test('is read as the 32 bytes of its X25519 public key', () => {
    const expected = Buffer.alloc(32);
    x25519PublicInto(expected, Buffer.alloc(32, 0x42));
    const key = parseAgeRecipient('age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj');
    expect(Buffer.from(key)).toEqual(expected);
  });

  test('made by the stock program is read, and refused after any change of one character', () => {
    const { recipient } = ageKey();
    expect(parseAgeRecipient(recipient)).toHaveLength(32);
    for (let at = 0; at < recipient.length; at += 1) {
      const other = recipient[at] === 'q' ? 'p' : 'q';
      const changed = recipient.slice(0, at) + other + recipient.slice(at + 1);
      expectCode('ENVELOPE_RECIPIENT', () => parseAgeRecipient(changed));
    }
  });

  test.each([
    ['upper case', (text: string) => text.toUpperCase()],
    ['a missing character', (text: string) => text.slice(0, -1)],
    ['a character too many', (text: string) => `${text}q`],
    ['a blank', (text: string) => ` ${text}`],
    ['another prefix', (text: string) => text.replace('age1', 'bge1')],
    ['nothing', () => ''],
  ])('with %s is refused', (_, change) => {
    expectCode('ENVELOPE_RECIPIENT', () => parseAgeRecipient(change(ageKey().recipient)));
  });
});
