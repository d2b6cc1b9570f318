import { describe, expect, test } from 'vitest';
import { CUSTODY_ERROR_CODES, CustodyError } from '../../src/pkcs11/error.ts';
import { TokenBook, isCurableByAnotherToken, mostTelling, tokenName } from '../../src/pkcs11/token-book.ts';

const CURED = `
  ENVELOPE_MAC ENVELOPE_NO_RECIPIENT ENVELOPE_UNWRAP FRAME_BAD FRAME_TOO_LARGE
  KEY_AMBIGUOUS KEY_NOT_FOUND KEY_UNSUITABLE MECHANISM MODULE_LOAD MODULE_PATH
  PIN_CHANGE PIN_FINAL_TRY PIN_INCORRECT PIN_LITERAL PIN_LOCKED PIN_SOURCE PIN_UNANSWERED
  TEMPLATE TOKEN_AMBIGUOUS TOKEN_DEAD TOKEN_NOT_FOUND TOKEN_PROTOCOL TOKEN_TIMEOUT URI_SYNTAX`;

test('another token may cure what is a token’s or its PIN’s, and nothing else', () => {
  const cured = CUSTODY_ERROR_CODES.filter(code => isCurableByAnotherToken(new CustodyError(code)));
  expect(cured.toSorted()).toEqual(CURED.trim().split(/\s+/u));
});

describe('what status says', () => {
  const token = { uri: 'pkcs11:token=a;id=%01?module-name=m&pin-source=file:/p', modulePath: '' };

  test('names a token by what selects it, without module and PIN source', () => {
    expect(tokenName(token)).toBe('pkcs11:token=a;id=%01');
  });

  test('is of several failures the one that takes a person, and of none a stranger’s', () => {
    const told = (...codes: ConstructorParameters<typeof CustodyError>[0][]) =>
      mostTelling(codes.map(code => new CustodyError(code))).code;
    expect(told('TOKEN_NOT_FOUND', 'TOKEN_DEAD')).toBe('TOKEN_DEAD');
    expect(told('TOKEN_DEAD', 'TOKEN_NOT_FOUND')).toBe('TOKEN_DEAD');
    expect(told('TOKEN_TIMEOUT', 'PIN_LOCKED', 'KEY_UNSUITABLE')).toBe('PIN_LOCKED');
    expect(told('ENVELOPE_NO_RECIPIENT', 'TOKEN_NOT_FOUND')).toBe('TOKEN_NOT_FOUND');
    expect(told('ENVELOPE_NO_RECIPIENT')).toBe('ENVELOPE_NO_RECIPIENT');
  });

  test('keeps since when a token says the same', () => {
    const book = new TokenBook();
    const fail = (code: 'TOKEN_DEAD' | 'TOKEN_TIMEOUT' | '', at: number) =>
      book.heard(token, [{ alias: 'x', code }], at);
    fail('TOKEN_DEAD', 10);
    fail('TOKEN_DEAD', 20);
    expect(book.status([token], [])).toMatchObject([{ errorCode: 'TOKEN_DEAD', errorSince: 10 }]);
    fail('TOKEN_TIMEOUT', 30);
    expect(book.status([token], [])).toMatchObject([{ errorCode: 'TOKEN_TIMEOUT', errorSince: 30 }]);
    expect(book.away([token])).toEqual([token]);
    fail('', 50);
    const well = { errorCode: '', errorSince: 0, openedAt: 50, seenAt: 50 };
    expect(book.status([token], [])).toMatchObject([well]);
  });
});

describe('a token that is there again', () => {
  const token = { uri: 'pkcs11:token=a', modulePath: '' };
  const other = { uri: 'pkcs11:token=b', modulePath: '' };
  type Code = Parameters<TokenBook['heard']>[1][number]['code'];
  const seenAfter = (code: Code): TokenBook => {
    const book = new TokenBook();
    book.heard(token, [{ alias: 'x', code }], 10);
    expect(book.inOrder([token, other])).toEqual([other, token]);
    book.seen(token, 40);
    return book;
  };

  test.each<Code>(['TOKEN_NOT_FOUND', 'MODULE_PATH', 'MODULE_LOAD', 'TOKEN_DEAD', 'TOKEN_TIMEOUT'])(
    'after %s is asked in its turn',
    code => {
      const book = seenAfter(code);
      expect(book.away([token])).toEqual([]);
      expect(book.inOrder([token, other])).toEqual([token, other]);
      expect(book.status([token], [])).toMatchObject([{ seenAt: 40 }]);
    },
  );

  test.each<Code>(['TOKEN_NOT_FOUND', 'MODULE_PATH', 'MODULE_LOAD'])('is missed no more after %s', code => {
    expect(seenAfter(code).status([token], [])).toMatchObject([{ errorCode: '', errorSince: 0 }]);
  });

  test.each<Code>(['TOKEN_DEAD', 'TOKEN_TIMEOUT'])('still fails after %s until it opens something', code => {
    const book = seenAfter(code);
    expect(book.status([token], [])).toMatchObject([{ errorCode: code, errorSince: 10 }]);
    book.heard(token, [{ alias: 'x', code }], 50);
    expect(book.status([token], [])).toMatchObject([{ errorCode: code, errorSince: 10 }]);
    book.heard(token, [{ alias: 'x', code: '' }], 60);
    expect(book.status([token], [])).toMatchObject([{ errorCode: '', errorSince: 0 }]);
  });
});

describe('a token was there', () => {
  const token = { uri: 'pkcs11:token=a', modulePath: '' };
  type Code = Parameters<TokenBook['heard']>[1][number]['code'];
  const heard = (...codes: Code[]): TokenBook => {
    const book = new TokenBook();
    book.heard(token, [{ alias: 'w', code: 'PIN_LOCKED' }], 5);
    const words = codes.map(code => ({ alias: 'x', code }));
    book.heard(token, words, 10);
    return book;
  };

  test.each<Code[]>([[''], ['ENVELOPE_NO_RECIPIENT'], ['KEY_NOT_FOUND'], ['PERIOD_REFUSED', '']])(
    'when it answered with %j',
    (...codes) => {
      expect(heard(...codes).status([token], [])).toMatchObject([{ seenAt: 10 }]);
    },
  );

  test.each<Code>(['STATE_WRITE', 'LOCKED_MEMORY', 'PERIOD_REFUSED', 'PROCESS_EXPOSED', 'PIN_INCORRECT'])(
    'for all that is known not when the request ended with %s, which may come before any login',
    code => {
      expect(heard(code).status([token], [])).toMatchObject([
        { seenAt: 0, errorCode: code === 'PIN_INCORRECT' ? code : 'PIN_LOCKED' },
      ]);
    },
  );
});
