// The counterpart of stem_worker.py: the same lines in, the same answers out. What it runs are the product's own
// parts: period keys in locked memory, the blinded signature, assembling, opening as a client does.

import { createInterface } from 'node:readline';
import { type Ed25519Verify, createCachingVerify, ed25519Verify } from '../src/descriptor/index.ts';
import { discardKeys } from '../src/pkcs11/period-keys.ts';
import { build, freshPeriod, makePeriodKey, points } from './period-key.ts';

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
