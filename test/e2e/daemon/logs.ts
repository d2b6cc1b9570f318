import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { backendAddress, backendDescriptor, goodRequest } from './backends.ts';
import type { SignerHome } from './home.ts';

/** What an address, a key or a point looks like in any encoding that a log could have. */
const PATTERNS = {
  address: /[a-z2-7]{56}/u,
  hex: /[0-9a-f]{40}/iu,
  base64: /[A-Za-z0-9+/_-]{43}/u,
  bytes: /(?:\d{1,3},\s?){8}/u,
} as const;

export const seenIn = (text: string): string[] =>
  Object.entries(PATTERNS)
    .filter(([, pattern]) => pattern.test(text))
    .map(([name]) => name);

const WORDS = [
  '"signed"',
  '"denied"',
  '"refused"',
  '"custody failed"',
  'frontpage',
  'TOKEN_TIMEOUT',
  '"request"',
];

/** What the daemons of the whole run wrote; `words` stand in it if it is the whole. */
export function describeLogs(homesOf: () => readonly SignerHome[], words: readonly string[] = WORDS): void {
  const wholeLog = () =>
    homesOf()
      .map(home => home.logs())
      .join('\n');

  test('would be recognised in a log', () => {
    const key = Buffer.from(goodRequest(homesOf()[0]!).points[0]!.authKey);
    expect(seenIn(`for ${backendAddress('box-1')}`)).toContain('address');
    expect(seenIn(`key ${key.toString('hex')}`)).toContain('hex');
    expect(seenIn(`key ${key.toString('base64url')}`)).toContain('base64');
    expect(seenIn(`key ${key.toString('base64')}`)).toContain('base64');
    expect(seenIn(JSON.stringify([...key]))).toEqual(['bytes']);
    expect(seenIn(backendDescriptor(homesOf()[0]!.profile, 'box-1').text)).toContain('base64');
  });

  test('stand in no log of any daemon: no address, no key, no point', () => {
    const log = wholeLog();
    // The log is the one of this run: it has answers, denials, refusals and failures of custody.
    for (const word of words) {
      expect([word, log.includes(word)]).toEqual([word, true]);
    }
    expect(log.split('\n').filter(line => seenIn(line).length > 0)).toEqual([]);
  });

  test('and neither does the PIN, there or in what commands say', () => {
    const [home] = homesOf();
    const pin = readFileSync(home!.hsm.pinFile, 'utf8').trim();
    expect(pin.length).toBeGreaterThan(8);
    const said = homesOf().flatMap(({ spoken }) => spoken);
    expect(said.length).toBeGreaterThan(5);
    expect([wholeLog(), ...said].filter(text => text.includes(pin))).toEqual([]);
  });
}
