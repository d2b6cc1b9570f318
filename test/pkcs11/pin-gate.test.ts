import { describe, expect, test } from 'vitest';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { PinGate, type PinToken } from '../../src/pkcs11/pin-gate.ts';
import { PinAttempts, type PinStore, volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import type { PinSource } from '../../src/pkcs11/pin.ts';
import {
  encodePinJudgement,
  MAX_PIN_RECORDS,
  parsePinJudgement,
  type PinJudgement,
  pinTag,
} from '../../src/pkcs11/pin-tags.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

const ACCESS = { modulePath: '/m.so', uri: 'pkcs11:token=a', pinSource: 'file:/run/pin' };
const FILE = { kind: 'file', path: '/run/pin' } as const;

interface Options {
  readonly pin?: string;
  readonly identity?: string;
  readonly low?: boolean;
  readonly source?: PinSource;
  /** What the process was told when it began, if that is not what is known now. */
  readonly judged?: PinJudgement;
}

/** One request of a token process, with both ends in here; `login` is what the token does. */
async function attempt(store: PinStore, login: () => void, options: Options = {}): Promise<string> {
  const { pin = '1234', identity = 'a', low = false, source = FILE, judged } = options;
  const attempts = new PinAttempts(store, ACCESS);
  let tried = false;
  const token: PinToken = {
    identity,
    isPinCountLow: () => low,
    login: () => {
      tried = true;
      login();
    },
  };
  const gate = new PinGate(judged ?? attempts.judgement, {
    begin: tags => attempts.begin(tags),
    taken: async () => attempts.taken(),
  });
  try {
    await gate.login(token, pin, source);
    return 'taken';
  } catch (thrown) {
    if (thrown === DEATH) return 'dead';
    if (!(thrown instanceof CustodyError)) throw thrown;
    attempts.fail(thrown);
    return `${tried ? 'tried' : 'not tried'}: ${thrown.code}`;
  } finally {
    attempts.end();
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

  test('that a token refused is not tried there again; another PIN is', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, refuses)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes)).toBe('not tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { pin: '1235' })).toBe('taken');
    expect(await attempt(store, takes)).toBe('not tried: PIN_INCORRECT');
    store.save([]);
    expect(await attempt(store, takes)).toBe('taken');
  });

  test('that was refused since the process began is not tried by it', async () => {
    const store = volatilePinStore();
    const judged = store.judgement();
    expect(await attempt(store, refuses)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, refuses, { judged })).toBe('not tried: PIN_INCORRECT');
    expect(await attempt(store, refuses)).toBe('not tried: PIN_INCORRECT');
  });

  test('of a source that one token refused is not tried at another; of another source it is', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, refuses)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { identity: 'b' })).toBe('not tried: PIN_INCORRECT');
    const source = { kind: 'credential', name: 'b' } as const;
    expect(await attempt(store, takes, { identity: 'b', source })).toBe('taken');
    // A source that was corrected to what another one has.
    expect(await attempt(store, takes, { pin: '1235', identity: 'b' })).toBe('taken');
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

  test('is tried by one process at a time, and what comes of it counts for the next', async () => {
    const begin = async (store: PinStore): Promise<PinAttempts> => {
      const attempts = new PinAttempts(store);
      await attempts.begin(tags);
      return attempts;
    };
    const tags = { token: Buffer.alloc(32, 1), source: Buffer.alloc(32, 2) };
    for (const [end, second] of [
      [(first: PinAttempts) => first.taken(), 'begun'],
      [(first: PinAttempts) => first.fail(new CustodyError('TOKEN_DEAD')), 'begun'],
      [(first: PinAttempts) => first.fail(new CustodyError('PIN_INCORRECT')), 'PIN_INCORRECT'],
      [(first: PinAttempts) => first.end(), 'PIN_UNANSWERED'],
    ] as const) {
      const store = volatilePinStore();
      const first = await begin(store);
      let outcome = 'waits';
      const tryNext = async (): Promise<void> => {
        try {
          await begin(store);
          outcome = 'begun';
        } catch (thrown) {
          outcome = thrown instanceof CustodyError ? thrown.code : 'other';
        }
      };
      const waiting = tryNext();
      // Another PIN from elsewhere waits for nobody.
      await new PinAttempts(store).begin({ token: Buffer.alloc(32, 3), source: Buffer.alloc(32, 4) });
      expect(outcome).toBe('waits');
      end(first);
      await waiting;
      expect(outcome).toBe(second);
    }
  });

  test('is not begun any more by who has ended while it waited', async () => {
    const store = volatilePinStore();
    const tags = { token: Buffer.alloc(32, 1), source: Buffer.alloc(32, 2) };
    const [first, second, third] = [1, 2, 3].map(() => new PinAttempts(store));
    await first?.begin(tags);
    const waiting = second?.begin(tags) ?? Promise.resolve();
    second?.end();
    first?.settle();
    await expectCodeOf('TOKEN_DEAD', waiting);
    expect(store.judgement().records).toEqual([]);
    await third?.begin(tags);
  });

  test('that one token refused and another one took is wrong for the first alone', async () => {
    const store = volatilePinStore();
    expect(await attempt(store, refuses, { identity: 'b' })).toBe('tried: PIN_INCORRECT');
    // It took it before, as the keyholder knows.
    const judgement = () => ({ ...store.judgement(), isOwn: true });
    const knowing: PinStore = { ...store, judgement, nameOf: () => Buffer.alloc(32) };
    expect(await attempt(knowing, takes)).toBe('taken');
    expect(await attempt(store, takes)).toBe('taken');
    expect(await attempt(store, takes, { identity: 'b' })).toBe('not tried: PIN_INCORRECT');
    // The one that took it refuses it by now.
    expect(await attempt(knowing, refuses)).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { identity: 'c' })).toBe('not tried: PIN_INCORRECT');
  });

  test('that is known to be another token’s is refused by one as that', async () => {
    const store: PinStore = { ...volatilePinStore(), nameOf: () => Buffer.alloc(32), wasTaken: () => true };
    expect(await attempt(store, refuses, { identity: 'b' })).toBe('tried: PIN_INCORRECT');
    expect(await attempt(store, takes)).toBe('taken');
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
    for (let i = 0; i <= MAX_PIN_RECORDS / 2; i++) await attempt(store, refuses, { pin: String(i) });
    expect(store.judgement().records).toHaveLength(MAX_PIN_RECORDS);
    expect(await attempt(store, takes, { pin: '1' })).toBe('not tried: PIN_INCORRECT');
    expect(await attempt(store, takes, { pin: '0' })).toBe('taken');
  });
});

describe('what a token process is told of PINs', () => {
  const record = { tag: Buffer.alloc(32, 3), verdict: 'refused', unanswered: 1 } as const;

  test('comes as it was sent', () => {
    const verdicts = ['none', 'refused', 'taken'] as const;
    const records = verdicts.map(verdict => ({ ...record, verdict }));
    const judgement = { key: Buffer.alloc(32, 1), records, isOwn: true };
    const parsed = parsePinJudgement(encodePinJudgement(judgement));
    expect(parsed.isOwn).toBe(true);
    expect(parsed.records.map(({ tag, ...rest }) => ({ ...rest, tag: Buffer.from(tag) }))).toEqual(
      judgement.records,
    );
    expect(Buffer.from(parsed.key)).toEqual(judgement.key);
  });

  test('is refused when it is cut, longer, of too many records or of an unknown verdict', () => {
    const bytes = encodePinJudgement({ key: Buffer.alloc(32, 1), records: [record], isOwn: false });
    expectCode('FRAME_BAD', () => parsePinJudgement(bytes.subarray(0, -1)));
    expectCode('FRAME_BAD', () => parsePinJudgement(Buffer.concat([bytes, Buffer.of(0)])));
    const verdict = Uint8Array.from(bytes);
    verdict[32 + 1 + 1 + 32] = 3;
    expectCode('FRAME_BAD', () => parsePinJudgement(verdict));
    const flag = Uint8Array.from(bytes);
    flag[32] = 2;
    expectCode('FRAME_BAD', () => parsePinJudgement(flag));
    const records = Array.from({ length: MAX_PIN_RECORDS + 1 }, () => record);
    const many = { key: Buffer.alloc(32), records, isOwn: false };
    expectCode('FRAME_BAD', () => parsePinJudgement(encodePinJudgement(many)));
  });

  test('a store that fails says so', async () => {
    const full = { ...volatilePinStore(), save: throws(new CustodyError('STATE_WRITE')) };
    const tags = { token: Buffer.alloc(32, 1), source: Buffer.alloc(32, 2) };
    await expectCodeOf('STATE_WRITE', new PinAttempts(full).begin(tags));
    // And keeps nobody else from trying.
    await expectCodeOf('STATE_WRITE', new PinAttempts(full).begin(tags));
  });
});
