import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processGroups, runAll } from './misbehaviour-rig.ts';
import { type Row, type SigningMisbehaviour, createSigningMisbehaviour } from './misbehaviour-signing-rig.ts';

/**
 * What sealing to an AES key calls beyond an opening, and what the process that signs with keys in a token does, ×
 * misbehaviours, one row each.
 */

const CALLS = {
  C_EncryptInit: 'sealed',
  C_Encrypt: 'sealed',
  C_GenerateKeyPair: 'made',
  C_SignInit: 'signed',
  C_Sign: 'signed',
} as const;
type Call = keyof typeof CALLS;
const NAMES = Object.keys(CALLS) as Call[];

const DEEDS = [
  'return 0x5',
  'return 0x32',
  'return 0xb3',
  'return 0x80000001',
  'hang',
  'abort',
  'segv',
  'exit',
  'print',
  'scribble',
  'fork',
] as const;
type Deed = (typeof DEEDS)[number];

/** That a token refuses to make a key is not that it failed. */
function outcomeOf(call: Call, deed: Deed): string {
  switch (deed) {
    case 'print':
    case 'fork':
      return CALLS[call];
    case 'hang':
      return 'TOKEN_TIMEOUT';
    case 'scribble':
      return 'FRAME_TOO_LARGE';
    case 'return 0x32':
      return 'TOKEN_NOT_FOUND';
    case 'return 0x5':
    case 'return 0x80000001':
      return call === 'C_GenerateKeyPair' ? 'TOKEN_UNSUITED' : 'TOKEN_DEAD';
    case 'return 0xb3':
    case 'abort':
    case 'segv':
    case 'exit':
      return 'TOKEN_DEAD';
  }
}

const LIES: readonly (readonly [Call, string, string])[] = [
  ['C_Encrypt', 'longer', 'sealed'],
  ['C_Encrypt', 'zero', 'MECHANISM'],
  ['C_Encrypt', 'huge', 'MECHANISM'],
  ['C_Encrypt', 'flip', 'ENVELOPE_UNWRAP'],
  ['C_Encrypt', 'other', 'ENVELOPE_UNWRAP'],
  // There is nothing behind these handles.
  ['C_GenerateKeyPair', 'flip', 'KEY_NOT_FOUND'],
  ['C_GenerateKeyPair', 'other', 'KEY_NOT_FOUND'],
  ['C_Sign', 'longer', 'TOKEN_PROTOCOL'],
  ['C_Sign', 'zero', 'TOKEN_PROTOCOL'],
  ['C_Sign', 'huge', 'TOKEN_PROTOCOL'],
  // The keyholder opens what it signed before anybody sees it.
  ['C_Sign', 'flip', 'signed wrongly'],
  ['C_Sign', 'other', 'signed wrongly'],
];

let rig: SigningMisbehaviour;
const seen = new Map<string, Row>();

const run = (call: Call, deed: string, deadlineMs?: number) => async () => {
  const row = CALLS[call] === 'sealed' ? rig.seal(call, deed, deadlineMs) : rig.sign(call, deed, deadlineMs);
  seen.set(`${call} ${deed}`, await row);
};

beforeAll(async () => {
  rig = await createSigningMisbehaviour();
  const began = performance.now();
  expect(await rig.seal('C_Encrypt', 'print')).toEqual({ outcome: 'sealed', reached: true });
  const deadlineMs = 5_000 + 10 * (performance.now() - began);
  const deeds = NAMES.flatMap(call => DEEDS.filter(deed => deed !== 'hang').map(deed => run(call, deed)));
  await Promise.all([
    runAll(
      NAMES.map(call => run(call, 'hang', deadlineMs)),
      NAMES.length,
    ),
    runAll([...deeds, ...LIES.map(([call, lie]) => run(call, lie))], 4),
  ]);
}, 900_000);
afterAll(() => rig.dispose());

describe.each(NAMES)('%s', call => {
  test.each(DEEDS)('that does: %s', deed => {
    expect(seen.get(`${call} ${deed}`)).toEqual({ outcome: outcomeOf(call, deed), reached: true });
  });
});

test.each(LIES)('%s that lies: %s → %s', (call, lie, outcome) => {
  expect(seen.get(`${call} ${lie}`)).toEqual({ outcome, reached: true });
});

test('nothing that was started or forked is left', async () => {
  expect(rig.pids).toHaveLength(1 + NAMES.length * DEEDS.length + LIES.length);
  await expect
    .poll(() => processGroups().filter(group => rig.pids.includes(group)), { timeout: 60_000 })
    .toEqual([]);
});
