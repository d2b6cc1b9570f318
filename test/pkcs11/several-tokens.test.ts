import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { KeyholderList } from '../../src/pkcs11/list.ts';
import type { TokenOpener } from '../../src/pkcs11/openings.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createRig, type Rig } from './keyholder-rig.ts';

// `press` is in the list first and opened both services so far; `spare` came from the drawer. Each has a module of its own.

const LIMIT = 300_000;
const SPARE = 'pkcs11:token=spare';
const CKR_PIN_INCORRECT = '0xa0';

let rig: Rig;
let modules: MisbehavingModules;
let press: MisbehavingModule;
let spare: MisbehavingModule;
let pressName: string;
/** Envelopes before the spare was a recipient. */
const lone = new Map<string, Buffer>();
const both = new Map<string, Buffer>();
let clock: number;
const open: Keyholder[] = [];

beforeAll(async () => {
  rig = await createRig();
  modules = compileMisbehavingModule();
  pressName = `pkcs11:token=${rig.hsm.label}`;
  const uri = await rig.hsm.addToken('spare');
  await rig.hsm.makeKey({ uri });
  for (const [alias, kpHsId] of [
    ['alpha', rig.alpha],
    ['beta', rig.beta],
  ] as const) {
    const envelope = readFileSync(join(rig.folder, `${alias}.age`));
    const request = { envelope, kpHsId, tokens: [rig.hsm.access()], added: [rig.hsm.access(uri)] };
    const more = await rig.opener().reseal({ ...request, ageRecipients: [], remove: [] });
    lone.set(alias, envelope);
    both.set(alias, Buffer.from(more.envelope));
  }
}, LIMIT);
afterAll(async () => {
  modules.dispose();
  await rig.dispose();
});
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  [press, spare] = [modules.create(rig.hsm.modulePath), modules.create(rig.hsm.modulePath)];
  for (const alias of ['alpha', 'beta']) putEnvelope(alias, both);
});
afterEach(() => {
  for (const keyholder of open.splice(0)) keyholder.close();
});

function putEnvelope(alias: string, from: ReadonlyMap<string, Buffer>): void {
  writeFileSync(join(rig.folder, `${alias}.age`), from.get(alias) ?? '', { mode: 0o600 });
}

/** A list with both tokens. Each may have a PIN source of its own. */
function writeBoth({
  pins = {},
  ...changes
}: Partial<KeyholderList> & { pins?: { press?: string; spare?: string } } = {}) {
  const query = (pin: string | undefined): string => (pin === undefined ? '' : `?pin-source=file:${pin}`);
  rig.writeList({
    tokens: [
      { uri: `${pressName}${query(pins.press)}`, modulePath: press.modulePath },
      { uri: `${SPARE}${query(pins.spare)}`, modulePath: spare.modulePath },
    ],
    ...changes,
  });
}

/** The first token has a short deadline, so that it may hang; its process that cannot start in it counts as hanging too. */
function opener(): TokenOpener {
  const of = (deadlineMs: number) => new TokenClient({ env: rig.hsm.env, deadlineMs });
  const [short, long] = [of(4_000), of(120_000)];
  const isHanging = (access: { modulePath: string }): boolean =>
    access.modulePath === press.modulePath && hangs;
  return {
    open: request => (isHanging(request.access) ? short : long).open(request),
    find: access => (isHanging(access) ? short : long).find(access),
  };
}
let hangs = false;

function keyholder(token: TokenOpener = opener()): Keyholder {
  const made = rig.keyholder({ clock: () => clock, openerFor: () => token });
  open.push(made);
  return made;
}
/** The services' codes, each once. */
const codesAfter = async (holder: Keyholder, laterSeconds = 0): Promise<string> => {
  clock += laterSeconds * 1000;
  return [...new Set((await holder.prepare()).map(({ errorCode }) => errorCode))].join(' ');
};
const openedBy = (holder: Keyholder) => holder.status().services.map(({ opened }) => opened.by);
const tokensOf = (holder: Keyholder) => holder.status().tokens;
/** Has more periods wanted, so that the token is needed again. */
function wantMore(holder: Keyholder, days: number, changes: Parameters<typeof writeBoth>[0] = {}): void {
  writeBoth({ ...changes, aheadSeconds: days * 86_400 });
  holder.reload();
}

describe('the next token of the list opens', () => {
  test.each<[string, string[], RegExp]>([
    ['its device fails', ['C_OpenSession return 0x30'], /^TOKEN_DEAD$/u],
    ['it hangs', ['C_Login hang'], /^TOKEN_TIMEOUT$/u],
    ['its PIN is locked', ['C_GetTokenInfo flags 0x40000'], /^PIN_LOCKED$/u],
    ['it unwraps wrongly', ['C_Decrypt flip'], /^ENVELOPE_(?:MAC|UNWRAP)$/u],
  ])(
    'when %s',
    async (_what, commands, code) => {
      writeBoth();
      hangs = commands.some(command => command.endsWith('hang'));
      press.command(...commands);
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('');
      expect(openedBy(holder)).toEqual([SPARE, SPARE]);
      const [first, second] = tokensOf(holder);
      expect(first).toMatchObject({ name: pressName, openedAt: 0 });
      expect(first?.errorCode).toMatch(code);
      expect(first?.errorSince).toBe(Math.floor(clock / 1000));
      expect(second).toMatchObject({ name: SPARE, openedAt: Math.floor(clock / 1000), errorCode: '' });
      expect(holder.status().breaker).toEqual({ isOpen: false, since: 0, nextTry: 0, code: '' });
      hangs = false;
    },
    LIMIT,
  );

  test(
    'when one before it does not answer to its PIN any more',
    async () => {
      writeBoth();
      press.command('C_Login abort');
      spare.command('C_GetSlotList zero');
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('TOKEN_DEAD');
      expect(await codesAfter(holder, 61)).toBe('TOKEN_DEAD');
      press.command();
      expect(await codesAfter(holder, 121)).toBe('PIN_UNANSWERED');
      spare.command();
      expect(await codesAfter(holder, 241)).toBe('');
      expect(press.count('C_Login')).toBe(2);
      expect(openedBy(holder)).toEqual([SPARE, SPARE]);
    },
    LIMIT,
  );

  test(
    'and not when the fault is in the envelope',
    async () => {
      writeBoth();
      copyFileSync(join(rig.folder, 'beta.age'), join(rig.folder, 'alpha.age'));
      const holder = keyholder();
      expect((await holder.prepare()).map(({ errorCode }) => errorCode)).toEqual(['IDENTITY_MISMATCH', '']);
      expect(spare.count('C_Login')).toBe(0);
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: '', openedAt: Math.floor(clock / 1000) });
    },
    LIMIT,
  );

  test(
    'and is remembered as the one that did, over restarts',
    async () => {
      writeBoth();
      press.command('C_GetSlotList zero');
      const holder = keyholder();
      await holder.prepare();
      const opened = holder.status().services.map(each => each.opened);
      const word = { by: SPARE, at: Math.floor(clock / 1000) };
      expect(opened).toEqual([word, word]);
      open.splice(0).forEach(each => each.close());
      expect(
        keyholder()
          .status()
          .services.map(each => each.opened),
      ).toEqual(opened);
    },
    LIMIT,
  );
});

test(
  'a token that is no recipient is passed over and named; what it is a recipient of, it opens',
  async () => {
    writeBoth();
    putEnvelope('beta', lone);
    press.command('C_GetSlotList zero');
    const holder = keyholder();
    expect((await holder.prepare()).map(({ errorCode }) => errorCode)).toEqual(['', 'TOKEN_NOT_FOUND']);
    expect(openedBy(holder)).toEqual([SPARE, '']);
    expect(tokensOf(holder)[1]).toMatchObject({ errorCode: '', strangerTo: ['beta'] });
    // It is not waited for: only the other one can help.
    press.command();
    expect(await codesAfter(holder, 5)).toBe('');
    expect(openedBy(holder)).toEqual([SPARE, pressName]);
  },
  LIMIT,
);

describe('a PIN that one token refused', () => {
  let wrong: string;
  beforeEach(() => {
    wrong = join(rig.folder, 'wrong-pin');
    writeFileSync(wrong, '000000\n', { mode: 0o600 });
  });

  test(
    'keeps no token shut that has a source of its own',
    async () => {
      writeBoth({ pins: { press: wrong } });
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('');
      expect(openedBy(holder)).toEqual([SPARE, SPARE]);
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: 'PIN_INCORRECT' });
      wantMore(holder, 5, { pins: { press: wrong } });
      expect(await codesAfter(holder)).toBe('');
      expect(press.count('C_Login')).toBe(1);
    },
    LIMIT,
  );

  test(
    'is not tried at another one, now or after a restart, until it is corrected',
    async () => {
      const changes = { pinSource: `file:${wrong}` };
      writeBoth(changes);
      const first = keyholder();
      expect(await codesAfter(first)).toBe('PIN_INCORRECT');
      open.splice(0).forEach(each => each.close());
      press.command('C_GetSlotList zero');
      const second = keyholder();
      for (let hour = 0; hour < 3; hour++) expect(await codesAfter(second, 3600)).toBe('PIN_INCORRECT');
      // It is the same at both, so neither is asked.
      expect([press.count('C_Login'), spare.count('C_Login')]).toEqual([1, 0]);
      writeFileSync(wrong, readFileSync(rig.hsm.pinFile), { mode: 0o600 });
      expect(await codesAfter(second)).toBe('');
      expect([press.count('C_Login'), spare.count('C_Login')]).toEqual([1, 1]);
    },
    LIMIT,
  );

  test(
    'is still the PIN of the one that took it before',
    async () => {
      writeBoth();
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('');
      press.command('C_GetSlotList zero');
      spare.command(`C_Login return ${CKR_PIN_INCORRECT}`);
      wantMore(holder, 5);
      expect(await codesAfter(holder)).toBe('PIN_INCORRECT');
      press.command();
      expect(await codesAfter(holder, 70)).toBe('');
      expect(openedBy(holder)).toEqual([pressName, pressName]);
      expect(spare.count('C_Login')).toBe(1);
    },
    LIMIT,
  );

  test(
    'is still the PIN of the one that took it before a restart, until that one refuses it',
    async () => {
      writeBoth();
      const first = keyholder();
      expect(await codesAfter(first)).toBe('');
      first.close();
      press.command('C_GetSlotList zero');
      spare.command(`C_Login return ${CKR_PIN_INCORRECT}`);
      writeBoth({ aheadSeconds: 5 * 86_400 });
      const second = keyholder();
      expect(await codesAfter(second)).toBe('PIN_INCORRECT');
      second.close();
      open.length = 0;
      press.command();
      const third = keyholder();
      expect(await codesAfter(third, 70)).toBe('');
      expect(openedBy(third)).toEqual([pressName, pressName]);
      expect(spare.count('C_Login')).toBe(1);
      press.command(`C_Login return ${CKR_PIN_INCORRECT}`);
      wantMore(third, 6);
      expect(await codesAfter(third)).toBe('PIN_INCORRECT');
      press.command();
      const before = press.calls().length;
      expect(await codesAfter(third, 70)).toBe('PIN_INCORRECT');
      expect(press.calls()).toHaveLength(before);
    },
    LIMIT,
  );

  test(
    'is not the one that was written in its place meanwhile',
    async () => {
      const real = opener();
      writeBoth({ pinSource: `file:${wrong}` });
      spare.command('C_GetSlotList zero');
      const holder = keyholder({
        ...real,
        open: async request => {
          const asked = real.open(request);
          await asked.catch(() => writeFileSync(wrong, readFileSync(rig.hsm.pinFile)));
          return await asked;
        },
      });
      expect(await codesAfter(holder)).toBe('PIN_INCORRECT');
      expect(await codesAfter(holder, 70)).toBe('');
      expect(press.count('C_Login')).toBe(2);
    },
    LIMIT,
  );
});

describe('a token that was away', () => {
  test(
    'is asked last until it is seen again',
    async () => {
      writeBoth();
      press.command('C_OpenSession return 0x30');
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('');
      const before = press.calls().length;
      wantMore(holder, 4);
      expect(await codesAfter(holder)).toBe('');
      expect(press.calls()).toHaveLength(before);
      // Nobody waits for it: it is looked for once in an hour.
      press.command();
      expect(await codesAfter(holder, 60)).toBe('');
      expect(press.calls()).toHaveLength(before);
      expect(await codesAfter(holder, 3600)).toBe('');
      expect(press.calls().length).toBeGreaterThan(before);
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: '', seenAt: Math.floor(clock / 1000) });
      expect(press.count('C_Login')).toBe(0);
      clock = Date.now();
      wantMore(holder, 6);
      expect(await codesAfter(holder)).toBe('');
      expect(openedBy(holder)).toEqual([pressName, pressName]);
    },
    LIMIT,
  );
});
