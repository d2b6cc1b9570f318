import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  createMisbehaviourRig,
  type MisbehaviourRig,
  type Outcome,
  processGroups,
  runAll,
} from './misbehaviour-rig.ts';

/** Every function that an opening calls × every misbehaviour, one row each, through the token process. */

const CALLS = [
  'C_GetFunctionList',
  'C_Initialize',
  'C_GetSlotList',
  'C_GetTokenInfo',
  'C_OpenSession',
  'C_Login',
  'C_FindObjectsInit',
  'C_FindObjects',
  'C_FindObjectsFinal',
  'C_GetAttributeValue',
  'C_DecryptInit',
  'C_Decrypt',
  'C_Finalize',
] as const;
type Call = (typeof CALLS)[number];

const CODES = {
  CKR_GENERAL_ERROR: 0x5,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_OPERATION_ACTIVE: 0x90,
  CKR_PIN_INCORRECT: 0xa0,
  CKR_PIN_INVALID: 0xa1,
  CKR_PIN_LEN_RANGE: 0xa2,
  CKR_PIN_EXPIRED: 0xa3,
  CKR_PIN_LOCKED: 0xa4,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_VENDOR_DEFINED: 0x8000_0001,
} as const;
type Code = keyof typeof CODES;

/** That token or session are gone is told as that, whichever call says so. */
const GONE: Partial<Record<Code, Outcome>> = {
  CKR_DEVICE_ERROR: 'TOKEN_DEAD',
  CKR_DEVICE_REMOVED: 'TOKEN_NOT_FOUND',
  CKR_SESSION_HANDLE_INVALID: 'TOKEN_DEAD',
  CKR_TOKEN_NOT_PRESENT: 'TOKEN_NOT_FOUND',
};
const everyCode = (outcome: Outcome): Partial<Record<Code, Outcome>> =>
  Object.fromEntries(Object.keys(CODES).map(code => [code, outcome]));

/** What is not TOKEN_DEAD. Only the login judges a PIN. */
const OUTCOMES: Readonly<Record<Call, Partial<Record<Code, Outcome>>>> = {
  C_GetFunctionList: everyCode('MODULE_LOAD'),
  C_Initialize: GONE,
  C_GetSlotList: GONE,
  C_GetTokenInfo: GONE,
  C_OpenSession: GONE,
  C_Login: {
    ...GONE,
    CKR_PIN_INCORRECT: 'PIN_INCORRECT',
    CKR_PIN_INVALID: 'PIN_INCORRECT',
    CKR_PIN_LEN_RANGE: 'PIN_INCORRECT',
    CKR_PIN_EXPIRED: 'PIN_CHANGE',
    CKR_PIN_LOCKED: 'PIN_LOCKED',
  },
  C_FindObjectsInit: GONE,
  C_FindObjects: GONE,
  C_FindObjectsFinal: GONE,
  // A key that does not say that it may decrypt is none.
  C_GetAttributeValue: { ...everyCode('KEY_NOT_FOUND'), ...GONE },
  C_DecryptInit: GONE,
  C_Decrypt: { ...everyCode('ENVELOPE_UNWRAP'), ...GONE },
  // The answer is there by then.
  C_Finalize: everyCode('opened'),
};

const DEEDS = ['hang', 'abort', 'segv', 'exit', 'print', 'scribble', 'fork'] as const;
type Deed = (typeof DEEDS)[number];

/** `scribble` writes into the pipe of the frames, which is closed before the module is unloaded. */
function outcomeOf(call: Call, deed: Deed): Outcome {
  if (call === 'C_Finalize' || deed === 'print' || deed === 'fork') return 'opened';
  if (deed === 'scribble') return 'FRAME_TOO_LARGE';
  return deed === 'hang' ? 'TOKEN_TIMEOUT' : 'TOKEN_DEAD';
}

/** Where a function gives something, what it gives may be wrong; 0x120 is the modulus. */
const LIES: readonly (readonly [Call, string, Outcome])[] = [
  ['C_GetFunctionList', 'longer', 'TOKEN_DEAD'],
  ['C_GetFunctionList', 'zero', 'TOKEN_DEAD'],
  ['C_GetFunctionList', 'huge', 'TOKEN_DEAD'],
  ['C_GetSlotList', 'longer', 'opened'],
  ['C_GetSlotList', 'zero', 'TOKEN_NOT_FOUND'],
  ['C_GetSlotList', 'huge', 'TOKEN_DEAD'],
  ['C_GetSlotList', 'flip', 'TOKEN_NOT_FOUND'],
  ['C_GetSlotList', 'other', 'TOKEN_NOT_FOUND'],
  ['C_GetTokenInfo', 'flip', 'TOKEN_NOT_FOUND'],
  ['C_GetTokenInfo', 'other', 'TOKEN_NOT_FOUND'],
  ['C_OpenSession', 'flip', 'TOKEN_DEAD'],
  ['C_OpenSession', 'other', 'TOKEN_DEAD'],
  ['C_FindObjects', 'longer', 'opened'],
  ['C_FindObjects', 'zero', 'KEY_NOT_FOUND'],
  ['C_FindObjects', 'huge', 'KEY_NOT_FOUND'],
  ['C_FindObjects', 'flip', 'KEY_NOT_FOUND'],
  ['C_FindObjects', 'other', 'KEY_NOT_FOUND'],
  ['C_GetAttributeValue', 'longer', 'ENVELOPE_NO_RECIPIENT'],
  ['C_GetAttributeValue', 'zero', 'KEY_NOT_FOUND'],
  ['C_GetAttributeValue', 'huge', 'KEY_NOT_FOUND'],
  ['C_GetAttributeValue', 'flip', 'KEY_NOT_FOUND'],
  ['C_GetAttributeValue', 'other', 'KEY_NOT_FOUND'],
  ['C_GetAttributeValue', 'longer 0x120', 'ENVELOPE_NO_RECIPIENT'],
  ['C_GetAttributeValue', 'zero 0x120', 'KEY_UNSUITABLE'],
  ['C_GetAttributeValue', 'huge 0x120', 'KEY_UNSUITABLE'],
  ['C_GetAttributeValue', 'flip 0x120', 'ENVELOPE_NO_RECIPIENT'],
  ['C_GetAttributeValue', 'other 0x120', 'ENVELOPE_NO_RECIPIENT'],
  ['C_Decrypt', 'longer', 'ENVELOPE_UNWRAP'],
  ['C_Decrypt', 'zero', 'ENVELOPE_UNWRAP'],
  ['C_Decrypt', 'huge', 'ENVELOPE_UNWRAP'],
  ['C_Decrypt', 'flip', 'ENVELOPE_MAC'],
  ['C_Decrypt', 'other', 'ENVELOPE_MAC'],
];

/** What was seen of a row. */
interface Seen {
  readonly outcome: Outcome;
  /** The module was asked for it at all: the positive control. */
  readonly reached: boolean;
  /** Afterwards, with a module that behaves. */
  readonly next?: Outcome;
}

let rig: MisbehaviourRig;
const seen = new Map<string, Seen>();
const afterwards = new Map<string, Outcome>();
const pids: number[] = [];

beforeAll(async () => {
  rig = await createMisbehaviourRig();
  await runCodes();
  const began = performance.now();
  await rig.open(rig.module());
  const opening = performance.now() - began;
  // Those that hang cost no time but their own, and all hang at once.
  const deadlineMs = 5_000 + 30 * opening;
  const hangs = runAll(
    CALLS.map(call => () => runDeed(call, 'hang', deadlineMs)),
    CALLS.length,
  );
  const deeds = DEEDS.filter(deed => deed !== 'hang').flatMap(deed =>
    CALLS.map(call => () => runDeed(call, deed)),
  );
  const lies = LIES.map(
    ([call, lie]) =>
      () =>
        runDeed(call, lie),
  );
  await Promise.all([hangs, runAll([...deeds, ...lies], 4)]);
  for (const call of CALLS) afterwards.set(call, await rig.open(rig.module()));
}, 900_000);
afterAll(() => rig.dispose());

async function runCodes(): Promise<void> {
  const module = rig.module();
  for (const call of CALLS) {
    for (const [code, number] of Object.entries(CODES)) {
      module.command(`${call} return ${number}`);
      module.forgetCalls();
      const outcome = await rig.openInOne(module);
      const reached = module.count(call) > 0;
      module.command();
      seen.set(`${call} ${code}`, { outcome, reached, next: await rig.openInOne(module) });
    }
  }
}

/** Beside others, so in front of a store of its own. */
async function runDeed(call: Call, deed: string, deadlineMs = 300_000): Promise<void> {
  const onSpawn = (pid: number) => pids.push(pid);
  const module = rig.module();
  module.command(`${call} ${deed}`);
  const env = await rig.token.hsm.copy();
  const outcome = await rig.open(module, { deadlineMs, onSpawn, env });
  seen.set(`${call} ${deed}`, { outcome, reached: module.count(call) > 0 });
}

describe.each(CALLS)('%s', call => {
  test.each(Object.keys(CODES) as Code[])('that returns %s', code => {
    const outcome = OUTCOMES[call][code] ?? 'TOKEN_DEAD';
    expect(seen.get(`${call} ${code}`)).toEqual({ outcome, reached: true, next: 'opened' });
  });

  test.each(DEEDS)('that does: %s', deed => {
    expect(seen.get(`${call} ${deed}`)).toEqual({ outcome: outcomeOf(call, deed), reached: true });
  });

  test('leaves nothing behind that keeps a service shut', () => {
    expect(afterwards.get(call)).toBe('opened');
  });
});

test.each(LIES)('%s that lies: %s → %s', (call, lie, outcome) => {
  expect(seen.get(`${call} ${lie}`)).toEqual({ outcome, reached: true });
});

test('what a module forked does not outlive its answer, nor does any token process', async () => {
  expect(pids).toHaveLength(CALLS.length * DEEDS.length + LIES.length);
  await vi.waitFor(() => expect(processGroups().filter(group => pids.includes(group))).toEqual([]), {
    timeout: 60_000,
  });
  expect(processGroups()).toContain(
    Number(/^\d+ \(.*\) \S \d+ (\d+)/su.exec(readFileSync('/proc/self/stat', 'latin1'))?.[1]),
  );
});
