import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listTokens, prepareToken } from '../../src/pkcs11/administration-client.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import type { TokenClientOptions } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { runAll } from './misbehaviour-rig.ts';

/** What `token list` and `token prepare` call beyond what an opening does × misbehaviours, one row each. */

const CALLS = [
  'C_GetInfo',
  'C_GetSlotInfo',
  'C_GetMechanismList',
  'C_GetMechanismInfo',
  'C_GetSessionInfo',
  'C_GenerateKeyPair',
] as const;
/** A list looks at mechanisms; a key is made without asking for them. */
const LISTS: ReadonlySet<string> = new Set(['C_GetMechanismList', 'C_GetMechanismInfo']);
const DEEDS = ['return 0x5', 'return 0x32', 'return 0xb3', 'hang', 'abort', 'exit', 'print', 'fork'] as const;

/** What fails before slots are looked at is the module's fault; that the token is gone is told as that. */
function outcomeOf(call: (typeof CALLS)[number], deed: (typeof DEEDS)[number]): string {
  if (deed === 'print' || deed === 'fork') return 'made';
  if (deed === 'hang') return 'TOKEN_TIMEOUT';
  if (deed === 'return 0x32') return 'TOKEN_NOT_FOUND';
  return deed.startsWith('return') && call === 'C_GetInfo' ? 'MODULE_LOAD' : 'TOKEN_DEAD';
}

const LONG_MS = 300_000;

let hsm: SoftHsm;
let modules: MisbehavingModules;
/** One for each row: they run beside each other. */
const stores: SoftHsm['env'][] = [];
const seen = new Map<string, string>();

beforeAll(async () => {
  hsm = await createSoftHsm();
  modules = compileMisbehavingModule();
  const began = performance.now();
  expect(await prepare(modules.create(hsm.modulePath), 'first', await hsm.copy())).toBe('made');
  const deadlineMs = 5_000 + Math.ceil(12 * (performance.now() - began));
  const run = (call: string, deed: string) => async () => {
    const module = modules.create(hsm.modulePath);
    module.command(`${call} ${deed}`);
    const deadline = deed === 'hang' ? deadlineMs : LONG_MS;
    const env = await hsm.copy();
    stores.push(env);
    const outcome = LISTS.has(call)
      ? await outcomeOfCall(() => list(module, { env, deadlineMs: deadline }))
      : await prepare(module, 'key', env, deadline);
    seen.set(`${call} ${deed}`, module.count(call) > 0 ? outcome : `${outcome}, not reached`);
  };
  const rows = (deeds: readonly string[]) => CALLS.flatMap(call => deeds.map(deed => run(call, deed)));
  await Promise.all([
    runAll(rows(['hang']), CALLS.length),
    runAll(rows(DEEDS.filter(deed => deed !== 'hang')), 4),
  ]);
}, 900_000);
afterAll(async () => {
  modules.dispose();
  await hsm.dispose();
});

async function prepare(
  module: MisbehavingModule,
  label: string,
  env: SoftHsm['env'],
  deadlineMs = LONG_MS,
): Promise<string> {
  const access = { ...hsm.access(`pkcs11:token=${hsm.label}`), modulePath: module.modulePath };
  const key = { kind: 'rsa', bits: 2048 } as const;
  return await outcomeOfCall(() => prepareToken({ access, key, label }, { env, deadlineMs }));
}

/** Fails as the one slot with a token does, which a list names. */
async function list({ modulePath }: MisbehavingModule, options: TokenClientOptions): Promise<void> {
  const { tokens, failing } = await listTokens(modulePath, options);
  expect(tokens.length + failing.length).toBe(1);
  const [fault] = failing;
  if (fault !== undefined) throw new CustodyError(fault.code);
}

async function outcomeOfCall(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'made';
  } catch (thrown) {
    if (thrown instanceof CustodyError) return thrown.code;
    throw thrown;
  }
}

describe.each(CALLS)('%s', call => {
  test.each(DEEDS)('that does: %s', deed => {
    expect(seen.get(`${call} ${deed}`)).toBe(outcomeOf(call, deed));
  });
});

test('leaves each token as it was', async () => {
  expect(stores).toHaveLength(CALLS.length * DEEDS.length);
  for (const env of stores.slice(-DEEDS.length)) {
    const { tokens, failing } = await listTokens(hsm.modulePath, { env, deadlineMs: LONG_MS });
    expect([tokens.length, failing.length]).toEqual([1, 0]);
  }
});
