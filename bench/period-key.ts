// A period's key and descriptors under it, with the product's own parts; what the measurements share.

import { ed25519Pair, makePoint } from '../test/descriptor/forge.ts';
import {
  type CertifiedIntroductionPoint,
  type Ed25519Verify,
  type IntroductionPoint,
  type KpHsId,
  TOR_NETWORK,
  type TimePeriod,
  assembleDescriptor,
  certExpiryHours,
  clampTweak,
  finishDescriptor,
  openDescriptor,
  parseKpHsId,
  publicationWindow,
  timePeriod,
} from '../src/descriptor/index.ts';
import { blindIdentity, descSigningCertBody, signExpanded } from '../src/pkcs11/blinded-sign.ts';
import { type DescSigningKey, SeedSigningKey } from '../src/pkcs11/desc-signing-key.ts';
import { Secret, basepointTimes, fillRandom, withScratch } from '../src/pkcs11/locked-memory.ts';
import { PeriodKey } from '../src/pkcs11/period-keys.ts';
import type { SigningKeyRecord } from '../src/pkcs11/signing-key-record.ts';

const NTOR = 2;
/** In the future: no certificate of it has expired, which a process that signs in a token looks at. */
const FIRST_PERIOD = 30_000;

/** a | prf half, clamped, as an identity holds them; random, for this process alone. */
const identitySecret = Secret.random(64);
const kpHsId = identitySecret.use((bytes): KpHsId => {
  bytes.set(clampTweak(bytes.subarray(0, 32)));
  const publicKey = new Uint8Array(32);
  basepointTimes(publicKey, bytes.subarray(0, 32));
  return parseKpHsId(publicKey);
});
const signer = ed25519Pair('bench');
export const points: IntroductionPoint[] = Array.from({ length: 20 }, (_, i) =>
  makePoint(`bench ${i}`, signer, 500_000),
);

/** A signing key and how it is recorded. */
export interface Signing {
  readonly key: SigningKeyRecord;
  readonly signing: DescSigningKey;
}

/** In locked memory. */
export function seedSigning(): Signing {
  const seed = Secret.random(32);
  return { key: { kind: 'seed', seed }, signing: new SeedSigningKey(seed) };
}

/** A period's key as an opening of the token makes it, with the one certificate that this second needs. */
export function makePeriodKey(
  period: TimePeriod,
  second: number,
  { key, signing }: Signing = seedSigning(),
): PeriodKey {
  const expiryHours = certExpiryHours(second);
  const blinded = identitySecret.use(bytes =>
    blindIdentity({ scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32) }, kpHsId, period),
  );
  const body = descSigningCertBody(expiryHours, signing.kpHsDescSign, blinded.kpHsBlindId);
  const signature = withScratch(32, hedge => {
    fillRandom(hedge);
    return signExpanded(blinded, body, hedge);
  });
  blinded.secret.wipe();
  const record = { ...period, key, secret: Secret.random(32), ladder: [{ expiryHours, signature }] };
  return new PeriodKey({ kpHsId, profile: TOR_NETWORK, record, signing });
}

/** Builds, signs and opens one descriptor. */
export async function build(
  key: PeriodKey,
  second: number,
  certified: CertifiedIntroductionPoint[],
  verify: Ed25519Verify,
): Promise<void> {
  const cert = key.certificate(certExpiryHours(second));
  if (cert === undefined) throw new Error('the ladder lacks a certificate');
  const salt = (): Uint8Array => {
    const bytes = new Uint8Array(16);
    fillRandom(bytes);
    return bytes;
  };
  const signable = assembleDescriptor({
    kpHsBlindId: key.kpHsBlindId,
    subcredential: key.subcredential,
    descSigningKeyCert: cert,
    revisionCounter: key.revisionCounterAt(second),
    inner: { create2Formats: [NTOR], singleOnionService: false, caa: [], introductionPoints: certified },
    middle: key.accessOf({ clients: [], clientsSerial: 1 }),
    salts: { inner: salt(), middle: salt() },
  });
  const text = finishDescriptor(signable, await key.signDescriptor(signable));
  const opened = openDescriptor(text, { kpHsId, periods: [key.period], nowSeconds: second, verify });
  if (opened.inner?.introductionPoints.length !== certified.length)
    throw new Error('the descriptor did not come back whole');
}

let nextPeriod = FIRST_PERIOD;

/** A period that nothing here has seen, and the second after its publication begins: when its key is first used. */
export function freshPeriod(): { period: TimePeriod; second: number } {
  nextPeriod += 1;
  const period = timePeriod(TOR_NETWORK, nextPeriod);
  return { period, second: publicationWindow(TOR_NETWORK, period).from + 60 };
}
