// The tries of a probe: real calls on throw-away keys, judged by what came out of them.

import { randomBytes } from 'node:crypto';
import { ed25519Verify } from '../descriptor/index.ts';
import { CKA_SENSITIVE, CKM_EDDSA, PARAMETER_WANTED, PURE_ED25519 } from './eddsa-constants.ts';
import { encryptOaep } from './envelope.ts';
import { CustodyError } from './error.ts';
import type { AdministrationSession } from './graphene.ts';
import { CKA_EXTRACTABLE, CKA_PRIVATE_EXPONENT, CKA_VALUE } from './pkcs11-constants.ts';
import type { Mechanism } from './pkcs11js.ts';
import type { ProbeBench } from './probe-bench.ts';
import { type ProbeLineId, tried, type Tried } from './probe-lines.ts';
import { isHeld } from './sealing-keys.ts';
import { decryptGcm, decryptOaep, encryptGcm, type OaepHash } from './token-keys.ts';

const SECRET_BYTES = 16;
const TAG_BYTES = 16;
const MAX_SESSIONS = 32;
/** A speed is measured for this long, once at least. */
const MEASURE_MS = 100;
const MAX_MEASURED = 1000;

/** Tries one line. What the token refuses is an answer; only a process that dies or hangs gives none. */
export function tryLine(line: ProbeLineId, bench: ProbeBench): Tried {
  try {
    return TRIES[line](bench);
  } catch (thrown) {
    // A token that was taken out refuses nothing.
    if (!(thrown instanceof CustodyError) || thrown.code === 'TOKEN_NOT_FOUND') throw thrown;
    const isRefusal = thrown.ckr !== undefined;
    return tried(isRefusal ? 'refused' : 'wrong', isRefusal ? '' : thrown.code, { ckr: thrown.ckr ?? 0 });
  }
}

const TRIES: Readonly<Record<ProbeLineId, (bench: ProbeBench) => Tried>> = {
  clean: bench => {
    const count = bench.clean();
    return tried('works', count === 0 ? 'none were there' : `${count} removed`);
  },
  sessions: countSessions,
  'rsa-key': bench => describeKey(bench.rsa),
  'rsa-held': bench => tryToTake(bench, bench.rsa.key.handle, CKA_PRIVATE_EXPONENT),
  'oaep-sha1': bench => tryOaep(bench, 'sha1'),
  'oaep-sha256': bench => tryOaep(bench, 'sha256'),
  'aes-key': bench => describeKey(bench.aes),
  'aes-held': bench => tryToTake(bench, bench.aes.key.handle, CKA_VALUE),
  'aes-gcm': tryGcm,
  'aes-gcm-refuses': tryGcmRefusals,
  'ed25519-key': bench => describeKey(bench.ed25519),
  'ed25519-held': bench => tryToTake(bench, bench.ed25519.key.handle, CKA_VALUE),
  'eddsa-14k': bench => tryEddsa(bench, 14_000),
  'eddsa-28k': bench => tryEddsa(bench, 28_000),
  'eddsa-50k': bench => tryEddsa(bench, 50_000),
  'nothing-left': bench => {
    bench.clean();
    const left = bench.clean();
    return left === 0 ? tried('works') : tried('wrong', `${left} objects cannot be destroyed`);
  },
};

function countSessions({ token }: ProbeBench): Tried {
  const open: AdministrationSession[] = [];
  try {
    while (open.length < MAX_SESSIONS) open.push(token.open());
    return tried('works', `${MAX_SESSIONS} or more`);
  } catch (thrown) {
    if (open.length === 0 || !(thrown instanceof CustodyError)) throw thrown;
    return tried('works', `${open.length} and two`, { ckr: thrown.ckr ?? 0 });
  } finally {
    for (const session of open) session.close();
  }
}

function describeKey({ how, seconds, asksEachTime }: ProbeBench['rsa' | 'aes' | 'ed25519']): Tried {
  if (asksEachTime) return tried('refused', 'it wants the PIN at each use');
  return tried('works', how, { perSecond: rounded(1 / Math.max(seconds, 0.001)) });
}

/** Everything by which a key could leave that a program may ask for. */
function tryToTake(bench: ProbeBench, key: Buffer, secret: number): Tried {
  return bench.within(session => {
    if (!isHeld(session, key)) return tried('wrong', 'the token says that it may leave');
    if (session.attribute(key, secret) !== undefined) return tried('wrong', 'its value can be read');
    for (const [attribute, value] of [
      [CKA_EXTRACTABLE, true],
      [CKA_SENSITIVE, false],
    ] as const) {
      ignoreRefusal(() => session.change(key, [[attribute, value]]));
      if (!isHeld(session, key)) return tried('wrong', 'it can be allowed to leave');
    }
    const copy = ignoreRefusal(() => session.copy(key, [[CKA_EXTRACTABLE, true]]));
    if (copy === undefined) return tried('works');
    const leaves = session.attribute(copy, CKA_EXTRACTABLE)?.[0] === 1;
    session.destroy(copy);
    return leaves ? tried('wrong', 'a copy of it may leave') : tried('works');
  });
}

/** Undefined when the token refuses. */
function ignoreRefusal<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof CustodyError && thrown.ckr !== undefined) return undefined;
    throw thrown;
  }
}

function tryOaep(bench: ProbeBench, hash: OaepHash): Tried {
  const { key } = bench.rsa;
  const secret = randomBytes(SECRET_BYTES);
  const wrapped = encryptOaep({ ...key, hash }, secret);
  const out = Buffer.alloc(key.modulus.length);
  return bench.within(session => {
    const open = (): number => decryptOaep(session, key, hash, wrapped, out);
    if (!out.subarray(0, open()).equals(secret)) return tried('wrong', 'another plaintext');
    return tried('works', hash === 'sha1' ? 'SHA-1' : 'SHA-256', { perSecond: speedOf(open) });
  });
}

function tryGcm(bench: ProbeBench): Tried {
  const { key } = bench.aes;
  const [secret, aad] = [randomBytes(SECRET_BYTES), randomBytes(SECRET_BYTES)];
  const out = Buffer.alloc(SECRET_BYTES + TAG_BYTES);
  return bench.within(session => {
    let asked = 0;
    const counting = {
      encrypt: (...args: Parameters<AdministrationSession['encrypt']>) => {
        asked += 1;
        return session.encrypt(...args);
      },
    };
    const sealed = encryptGcm(counting, key, secret, aad);
    const open = (): number => decryptGcm(session, key, sealed, aad, out);
    if (!out.subarray(0, open()).equals(secret)) return tried('wrong', 'another plaintext');
    return tried('works', asked === 1 ? 'our nonce' : "the token's nonce", { perSecond: speedOf(open) });
  });
}

function tryGcmRefusals(bench: ProbeBench): Tried {
  const { key } = bench.aes;
  const [secret, aad, other] = [
    randomBytes(SECRET_BYTES),
    randomBytes(SECRET_BYTES),
    randomBytes(SECRET_BYTES),
  ];
  const sealed = bench.within(session => encryptGcm(session, key, secret, aad));
  const changed = Uint8Array.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  const opens = (bytes: Uint8Array, context: Uint8Array): boolean =>
    bench.within(session => {
      const out = Buffer.alloc(SECRET_BYTES + TAG_BYTES);
      return ignoreRefusal(() => decryptGcm(session, key, bytes, context, out)) !== undefined;
    });
  if (!opens(sealed, aad)) return tried('wrong', 'what was sealed does not open');
  if (opens(sealed, other)) return tried('wrong', 'another context opens it');
  return opens(changed, aad) ? tried('wrong', 'the tag is not checked') : tried('works');
}

function tryEddsa(bench: ProbeBench, length: number): Tried {
  const { handle, kpHsDescSign } = bench.ed25519.key;
  // Nothing that anybody could use: no certificate and no descriptor begins so.
  const message = Buffer.concat([Buffer.from('onion-signer probe\0'), randomBytes(length)]).subarray(
    0,
    length,
  );
  const sign = (mechanism: Mechanism): Tried =>
    bench.within(session => {
      const signature = session.sign(mechanism, handle, message);
      if (signature.length !== 64 || !ed25519Verify(message, signature, kpHsDescSign))
        return tried('wrong', 'another signature');
      const detail = mechanism.parameter === undefined ? 'no parameter' : 'an empty parameter';
      return tried('works', detail, { perSecond: speedOf(() => session.sign(mechanism, handle, message)) });
    });
  try {
    return sign({ mechanism: CKM_EDDSA });
  } catch (thrown) {
    if (!(thrown instanceof CustodyError) || !PARAMETER_WANTED.has(thrown.ckr ?? -1)) throw thrown;
    return sign({ mechanism: CKM_EDDSA, parameter: PURE_ED25519 });
  }
}

function speedOf(call: () => unknown): number {
  const began = performance.now();
  let count = 0;
  do {
    call();
    count += 1;
  } while (performance.now() - began < MEASURE_MS && count < MAX_MEASURED);
  return rounded((1000 * count) / Math.max(performance.now() - began, 1));
}

/** To two digits: more of them would say more than was measured. */
const rounded = (value: number): number => Number(value.toPrecision(2));
