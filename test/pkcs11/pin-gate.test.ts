import { describe, expect, test } from 'vitest';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { PinGate, type PinToken } from '../../src/pkcs11/pin-gate.ts';
import { PinAttempts, type PinStore, volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import type { PinSource } from '../../src/pkcs11/pin.ts';
import { encodePinJudgement, MAX_PIN_RECORDS, parsePinJudgement, pinTag } from '../../src/pkcs11/pin-tags.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

const FILE = { kind: 'file', path: '/run/pin' } as const;

/** One request of a token process, with both ends in here; `login` is what the token does. */
async function attempt(
  store: PinStore,
  login: () => void,
  options: { pin?: string; identity?: string; low?: boolean; source?: PinSource } = {},
): Promise<string> {
  const { pin = '1234', identity = 'a', low = false, source = FILE } = options;
  const attempts = new PinAttempts(store);
  let tried = false;
  const token: PinToken = {
    identity,
    isPinCountLow: () => low,
    login: () => {
      tried = true;
      login();
    },
  };
  const gate = new PinGate(store.judgement(), {
    begin: async tag => attempts.begin(tag),
    taken: async () => attempts.settle(),
  });
  try {
    await gate.login(token, pin, source);
    return 'taken';
  } catch (thrown) {
    if (thrown === DEATH) return 'dead';
    if (!(thrown instanceof CustodyError)) throw thrown;
    attempts.fail(thrown);
    return `${tried ? 'tried' : 'not tried'}: ${thrown.code}`;
  }
}

const DEATH = new Error('the process is gone');
const takes = () => undefined;
const throws = (error: Error) => () => {
  throw error;
};
const refuses = throws(new CustodyError('PIN_INCORRECT'));
const dies = throws(DEATH);

describe('a PIN', () => {
  test('that a token took may be tried as often as needed, and leaves no trace', async () => {
    const store = volatilePinStore();
    for (let i = 0; i < 5; i++) expect(await attempt(store, takes)).toBe('taken');
    expect(store.judgement().records).toEqual([]);
  });

  test('that a token refused is not tried there again; another PIN and another token are', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, refuses)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes)).toBe('not tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { pin: '1235' })).toBe('taken');
    expect(await attempt(store, takes, { identity: 'b' })).toBe('taken');
    expect(await attempt(store, takes)).toBe('not tried: PIN_INCORRECT');
    store.save([]);
    expect(await attempt(store, takes)).toBe('taken');
  });

  test('on which the token said nothing for itself may be tried again', async () => {
    const store = volatilePinStore();
    for (let i = 0; i < 5; i++) {
      expect(await attempt(store, throws(new CustodyError('TOKEN_DEAD')))).toBe('tried: TOKEN_DEAD');
    }
    expect(await attempt(store, takes)).toBe('taken');
  });

  test('during whose attempt the process died is tried once more, and then by nobody', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, dies)).toBe('dead');
    expect(await attempt(store, dies)).toBe('dead');
    expect(await attempt(store, takes)).toBe('not tried: PIN_UNANSWERED');
  });

  test('whose second attempt is taken begins anew', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, dies)).toBe('dead');
    expect(await attempt(store, takes)).toBe('taken');
    expect(await attempt(store, dies)).toBe('dead');
    expect(await attempt(store, takes)).toBe('taken');
  });

  test('without an answer is not tried again when the token has counted a wrong one since', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, takes, { low: true })).toBe('taken');
    expect(await attempt(store, dies)).toBe('dead');
    expect(await attempt(store, takes, { low: true })).toBe('not tried: PIN_UNANSWERED');
    expect(await attempt(store, takes)).toBe('taken');
  });

  test('is not tried when the attempt cannot be recorded', async () => {
    const full = { ...volatilePinStore(), save: throws(new CustodyError('STATE_WRITE')) };
    expect(await attempt(full, takes)).toBe('not tried: STATE_WRITE');
  });

  test('that a person types is that person’s matter', async () => {
    const store = volatilePinStore();
    const typed = { source: { kind: 'tty' } } as const;
    expect(await attempt(store, refuses, typed)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes, typed)).toBe('taken');
    expect(store.judgement().records).toEqual([]);
  });

  test('has another tag on each token and under each key, and as many are kept as there is room', async () => {
    const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(pinTag(key, 'a', '1234')).toEqual(pinTag(key, 'a', '1234'));
    for (const tag of [pinTag(key, 'b', '1234'), pinTag(key, 'a', '1235'), pinTag(other, 'a', '1234')]) {
      expect(tag).not.toEqual(pinTag(key, 'a', '1234'));
    }
    // No token ends where another one's PIN begins.
    expect(pinTag(key, 'a b', '1234')).not.toEqual(pinTag(key, 'a', 'b 1234'));
    const store = volatilePinStore();
    for (let i = 0; i <= MAX_PIN_RECORDS; i++) await attempt(store, refuses, { pin: String(i) });
    expect(store.judgement().records).toHaveLength(MAX_PIN_RECORDS);
    expect(await attempt(store, takes, { pin: '1' })).toBe('not tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { pin: '0' })).toBe('taken');
  });
});

describe('what a token process is told of PINs', () => {
  const record = { tag: Buffer.alloc(32, 3), refused: true, unanswered: 1 };

  test('comes as it was sent', () => {
    const judgement = { key: Buffer.alloc(32, 1), records: [record, { ...record, refused: false }] };
    const parsed = parsePinJudgement(encodePinJudgement(judgement));
    expect(parsed.records.map(({ tag, ...rest }) => ({ ...rest, tag: Buffer.from(tag) }))).toEqual(
      judgement.records,
    );
    expect(Buffer.from(parsed.key)).toEqual(judgement.key);
  });

  test('is refused when it is cut, longer, of too many records or of an unknown verdict', () => {
    const bytes = encodePinJudgement({ key: Buffer.alloc(32, 1), records: [record] });
    expectCode('FRAME_BAD', () => parsePinJudgement(bytes.subarray(0, -1)));
    expectCode('FRAME_BAD', () => parsePinJudgement(Buffer.concat([bytes, Buffer.of(0)])));
    const verdict = Uint8Array.from(bytes);
    verdict[32 + 1 + 32] = 2;
    expectCode('FRAME_BAD', () => parsePinJudgement(verdict));
    const records = Array.from({ length: MAX_PIN_RECORDS + 1 }, () => record);
    expectCode('FRAME_BAD', () => parsePinJudgement(encodePinJudgement({ key: Buffer.alloc(32), records })));
  });

  test('a store that fails says so', async () => {
    const full = { ...volatilePinStore(), save: throws(new CustodyError('STATE_WRITE')) };
    await expectCodeOf('STATE_WRITE', (async () => new PinAttempts(full).begin(Buffer.alloc(32)))());
  });
});
