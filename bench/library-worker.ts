// The counterpart of stem_worker.py: the same lines in, the same answers out. What it runs are the product's own
// parts: period keys in locked memory, the blinded signature, assembling, opening as a client does.

import { createInterface } from 'node:readline';
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
  createCachingVerify,
  ed25519Verify,
  finishDescriptor,
  openDescriptor,
  parseKpHsId,
  publicationWindow,
  timePeriod,
} from '../src/descriptor/index.ts';
import { blindIdentity, descSigningCertBody, signExpanded } from '../src/pkcs11/blinded-sign.ts';
import { Secret, basepointTimes, fillRandom, withScratch } from '../src/pkcs11/locked-memory.ts';
import { PeriodKey, discardKeys } from '../src/pkcs11/period-keys.ts';
import { SeedSigningKey, descSignPublic } from '../src/pkcs11/desc-signing-key.ts';

const NTOR = 2;
const FIRST_PERIOD = 20_000;

/** a | prf half, clamped, as an identity holds them; random, for this process alone. */
const identitySecret = Secret.random(64);
const kpHsId = identitySecret.use((bytes): KpHsId => {
  bytes.set(clampTweak(bytes.subarray(0, 32)));
  const publicKey = new Uint8Array(32);
  basepointTimes(publicKey, bytes.subarray(0, 32));
  return parseKpHsId(publicKey);
});
const signer = ed25519Pair('bench');
const points: IntroductionPoint[] = Array.from({ length: 20 }, (_, i) =>
  makePoint(`bench ${i}`, signer, 500_000),
);

/** A period's key as an opening of the token makes it, with the one certificate that this second needs. */
function makePeriodKey(period: TimePeriod, second: number): PeriodKey {
  const seed = Secret.random(32);
  const expiryHours = certExpiryHours(second);
  const blinded = identitySecret.use(bytes =>
    blindIdentity({ scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32) }, kpHsId, period),
  );
  const body = descSigningCertBody(expiryHours, descSignPublic(seed), blinded.kpHsBlindId);
  const signature = withScratch(32, hedge => {
    fillRandom(hedge);
    return signExpanded(blinded, body, hedge);
  });
  blinded.secret.wipe();
  const key = { kind: 'seed', seed } as const;
  const record = { ...period, key, secret: Secret.random(32), ladder: [{ expiryHours, signature }] };
  return new PeriodKey({ kpHsId, profile: TOR_NETWORK, record, signing: new SeedSigningKey(seed) });
}

async function build(
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
function freshPeriod(): { period: TimePeriod; second: number } {
  nextPeriod += 1;
  const period = timePeriod(TOR_NETWORK, nextPeriod);
  return { period, second: publicationWindow(TOR_NETWORK, period).from + 60 };
}

async function newKey(count: number, pointCount: number, verify: Ed25519Verify): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { period, second } = freshPeriod();
    const key = makePeriodKey(period, second);
    const certified = await key.certifyPoints(points.slice(0, pointCount), second);
    await build(key, second, certified, verify);
    discardKeys([key]);
  }
}

/** stem verifies the descriptor's own signature and none of a certificate; a certificate's body has 76 bytes. */
const likeStem: Ed25519Verify = (message, signature, publicKey) =>
  message.length === 76 || ed25519Verify(message, signature, publicKey);

async function unchanged(count: number, pointCount: number): Promise<() => Promise<void>> {
  const { period, second } = freshPeriod();
  const key = makePeriodKey(period, second);
  const certified = await key.certifyPoints(points.slice(0, pointCount), second);
  const verify = createCachingVerify(ed25519Verify);
  await build(key, second, certified, verify);
  return async () => {
    for (let i = 1; i <= count; i++) await build(key, second + i, certified, verify);
    discardKeys([key]);
  };
}

interface Measure {
  /** For each descriptor. */
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** Modes: those of stem_worker.py, and `new-key-all-verified`. */
async function measure(mode: string, pointCount: number, count: number): Promise<Measure> {
  const verify = mode === 'new-key' ? likeStem : ed25519Verify;
  const work =
    mode === 'unchanged' ? await unchanged(count, pointCount) : () => newKey(count, pointCount, verify);
  const busy = process.cpuUsage();
  const started = performance.now();
  await work();
  const wallSeconds = (performance.now() - started) / 1000 / count;
  const { user, system } = process.cpuUsage(busy);
  return { wallSeconds, cpuSeconds: (user + system) / 1e6 / count };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [mode = '', pointCount, count] = line.split(' ');
  const { wallSeconds, cpuSeconds } = await measure(mode, Number(pointCount), Number(count));
  const resident = Math.round(process.memoryUsage.rss() / 1024);
  process.stdout.write(`${wallSeconds.toFixed(9)} ${cpuSeconds.toFixed(9)} ${resident}\n`);
}
