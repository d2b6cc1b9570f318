import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  LIMIT,
  SPARE,
  codesAfter,
  keyholder,
  open,
  openedBy,
  opener,
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
