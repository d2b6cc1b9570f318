import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  LIMIT,
  SPARE,
  clock,
  codesAfter,
  keyholder,
  lone,
  open,
  openedBy,
  press,
  pressHangs,
  pressName,
  putEnvelope,
  rig,
  spare,
  tokensOf,
  useTwoTokens,
  wantMore,
  writeBoth,
} from './two-tokens-rig.ts';

useTwoTokens();

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
      pressHangs.now = commands.some(command => command.endsWith('hang'));
      press.command(...commands);
      const holder = keyholder();
      expect(await codesAfter(holder)).toBe('');
      expect(openedBy(holder)).toEqual([SPARE, SPARE]);
      const [first, second] = tokensOf(holder);
      expect(first).toMatchObject({ name: pressName, openedAt: 0 });
      expect(first?.errorCode).toMatch(code);
      expect(first?.errorSince).toBe(clock.seconds);
      expect(second).toMatchObject({ name: SPARE, openedAt: clock.seconds, errorCode: '' });
      expect(holder.status().breaker).toEqual({ isOpen: false, since: 0, nextTry: 0, code: '' });
      pressHangs.now = false;
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
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: '', openedAt: clock.seconds });
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
      const word = { by: SPARE, at: clock.seconds };
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
      // It is there; whether it works, it has to show.
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: 'TOKEN_DEAD', seenAt: clock.seconds });
      expect(press.count('C_Login')).toBe(0);
      clock.reset();
      wantMore(holder, 6);
      expect(await codesAfter(holder)).toBe('');
      expect(openedBy(holder)).toEqual([pressName, pressName]);
      expect(tokensOf(holder)[0]).toMatchObject({ errorCode: '' });
    },
    LIMIT,
  );
});
