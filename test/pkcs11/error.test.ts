import { describe, expect, test } from 'vitest';
import {
  CUSTODY_ERROR_CODES,
  CustodyError,
  parseCustodyErrorCode,
  toCustodyError,
} from '../../src/pkcs11/error.ts';
import { encodeFailure, parseFailure } from '../../src/pkcs11/token-messages.ts';

describe('a custody error', () => {
  test('says what to do next and keeps cause, denial and return value', () => {
    const cause = new Error('below');
    const denial = { rule: 'HORIZON', observed: '9', limit: '3' };
    const error = new CustodyError('TOKEN_DEAD', 'while signing', { cause, denial, ckr: 0x30 });
    expect(error).toMatchObject({ code: 'TOKEN_DEAD', cause, denial, ckr: 0x30 });
    expect(error.message).toMatch(/^while signing: .*check reader/u);
    expect(new CustodyError('TOKEN_DEAD').message).not.toBe('');
  });

  test('crosses a process boundary as code and number, without its message', () => {
    for (const code of CUSTODY_ERROR_CODES) {
      const crossed = parseFailure(
        encodeFailure(new CustodyError(code, 'secret detail', { ckr: 0x8000_0001 })),
      );
      expect(crossed).toMatchObject({ code, ckr: 0x8000_0001 });
      expect(crossed.message).not.toContain('secret detail');
    }
    expect(parseFailure(encodeFailure(new CustodyError('TOKEN_DEAD'))).ckr).toBeUndefined();
  });

  test('is made from anything thrown, and not made twice', () => {
    const own = new CustodyError('PIN_LOCKED');
    expect(toCustodyError(own, 'TOKEN_DEAD')).toBe(own);
    expect(toCustodyError('text', 'TOKEN_DEAD')).toMatchObject({ code: 'TOKEN_DEAD', cause: 'text' });
  });

  test('has only codes of the list', () => {
    expect(parseCustodyErrorCode('PIN_LOCKED')).toBe('PIN_LOCKED');
    expect(parseCustodyErrorCode('pin_locked')).toBeUndefined();
    expect(parseCustodyErrorCode('constructor')).toBeUndefined();
  });
});
