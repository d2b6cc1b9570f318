import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  LIMIT,
  SPARE,
  codesAfter,
  keyholder,
  open,
  openedBy,
  press,
  pressName,
  rig,
  spare,
  tokensOf,
  useTwoTokens,
  wantMore,
  writeBoth,
} from './two-tokens-rig.ts';

useTwoTokens();

const CKR_PIN_INCORRECT = '0xa0';

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
      writeBoth({ pinSource: `file:${wrong}` });
      spare.command('C_GetSlotList zero');
      const holder = keyholder(real => ({
        ...real,
        open: async request => {
          const asked = real.open(request);
          await asked.catch(() => writeFileSync(wrong, readFileSync(rig.hsm.pinFile)));
          return await asked;
        },
      }));
      expect(await codesAfter(holder)).toBe('PIN_INCORRECT');
      expect(await codesAfter(holder, 70)).toBe('');
      expect(press.count('C_Login')).toBe(2);
    },
    LIMIT,
  );

  /** systemd makes the folder anew at each start. */
  const provideCredential = (pin: string): void => {
    const folder = join(rig.folder, 'credentials');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'pin'), pin, { mode: 0o400 });
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
  };
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test(
    'from a credential is not tried at another one after a restart, which makes a new file of it',
    async () => {
      writeBoth({ pinSource: 'credential:pin' });
      spare.command('C_GetSlotList zero');
      provideCredential('000000\n');
      const first = keyholder();
      expect(await codesAfter(first)).toBe('PIN_INCORRECT');
      open.splice(0).forEach(each => each.close());
      press.command('C_GetSlotList zero');
      spare.command();
      for (let start = 0; start < 2; start++) {
        provideCredential('000000\n');
        const again = keyholder();
        expect(await codesAfter(again, 70)).toBe('PIN_INCORRECT');
        open.splice(0).forEach(each => each.close());
      }
      expect([press.count('C_Login'), spare.count('C_Login')]).toEqual([1, 0]);
      // It was looked at: the control.
      expect(spare.count('C_GetTokenInfo')).toBeGreaterThan(0);
      provideCredential(readFileSync(rig.hsm.pinFile, 'utf8'));
      const corrected = keyholder();
      expect(await codesAfter(corrected, 70)).toBe('');
      expect(openedBy(corrected)).toEqual([SPARE, SPARE]);
      expect(spare.count('C_Login')).toBe(1);
    },
    LIMIT,
  );

  test(
    'from a credential is after a restart still the PIN of the one that took it before',
    async () => {
      const changes = { pinSource: 'credential:pin' };
      const pin = readFileSync(rig.hsm.pinFile, 'utf8');
      provideCredential(pin);
      writeBoth(changes);
      const first = keyholder();
      expect(await codesAfter(first)).toBe('');
      press.command('C_GetSlotList zero');
      spare.command(`C_Login return ${CKR_PIN_INCORRECT}`);
      wantMore(first, 5, changes);
      expect(await codesAfter(first)).toBe('PIN_INCORRECT');
      open.splice(0).forEach(each => each.close());
      press.command();
      provideCredential(pin);
      const second = keyholder();
      expect(await codesAfter(second, 70)).toBe('');
      expect(openedBy(second)).toEqual([pressName, pressName]);
      expect([press.count('C_Login'), spare.count('C_Login')]).toEqual([2, 1]);
    },
    LIMIT,
  );
});
