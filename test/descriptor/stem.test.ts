import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import {
  TOR_NETWORK,
  assembleDescriptor,
  encodeBase64,
  finishDescriptor,
  formatOnionAddress,
  publishablePeriods,
  x25519ToEd25519,
} from '../../src/descriptor/index.ts';
import { forge } from './forge.ts';

/** Debian's interpreter: the one that has python3-stem. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('stem-open.py', import.meta.url));

function openWithStem(requests: readonly { text: string; address: string }[]): unknown[] {
  const run = spawnSync(PYTHON, [SCRIPT], { input: JSON.stringify(requests), encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`install python3-stem: ${run.stderr}`);
  return JSON.parse(run.stdout) as unknown[];
}

/** stem has no clock of ours, so these are made now, in the older of the two published periods. */
function assembleNow(points: number, singleOnionService: boolean) {
  const at = Math.floor(Date.now() / 1000);
  const [period] = publishablePeriods(TOR_NETWORK, at);
  const { parts, descSign, kpHsId } = forge({ at, period: period!, points, inner: { singleOnionService } });
  const signable = assembleDescriptor(parts);
  const text = decodeUtf8(finishDescriptor(signable, descSign.sign(signable.signedMessage)));
  return { request: { text, address: formatOnionAddress(kpHsId) }, parts };
}

describe('stem, a reader of other authors', () => {
  const made = [assembleNow(1, false), assembleNow(3, true), assembleNow(20, false)];

  test('opens what is assembled to the fields that were put in', () => {
    const opened = openWithStem(made.map(({ request }) => request));
    expect(opened).toEqual(
      made.map(({ parts: { inner, revisionCounter } }) => ({
        lifetime: 180,
        revisionCounter: revisionCounter.toString(),
        clients: 16,
        formats: [2],
        singleOnionService: inner.singleOnionService,
        points: inner.introductionPoints.map(point => ({
          linkSpecifiers: encodeBase64(point.linkSpecifiers),
          onionKey: encodeBase64(point.onionKey),
          authKey: encodeBase64(point.authKey),
          encKey: encodeBase64(point.encKey),
          encCertified: encodeBase64(x25519ToEd25519(point.encKey)),
        })),
      })),
    );
  });

  test('refuses the same text with another counter', () => {
    const { text, address } = made[0]!.request;
    const changed = text.replace(/(?<=revision-counter \d*)\d\n/, last => `${(Number(last) + 1) % 10}\n`);
    expect(changed).not.toBe(text);
    expect(openWithStem([{ text: changed, address }])).toEqual([{ refused: expect.any(String) as string }]);
  });
});
