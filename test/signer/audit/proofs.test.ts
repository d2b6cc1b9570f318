import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { proveConsistency, proveEntry } from '../../../src/signer/audit/proofs.ts';
import { checkBundle } from '../../audit/check-bundle.ts';
import { rejection } from '../failure.ts';
import { AuditRig, listOf, sizeOf } from './audit-rig.ts';

let rig: AuditRig;
let bundle: string;

beforeAll(async () => {
  rig = await AuditRig.create();
  bundle = await rig.export('proofs');
});

afterAll(async () => {
  await rig.dispose();
});

/** What the auditor's program says of a proof as it was printed, without the name of its file. */
async function check(proof: string): Promise<string> {
  const path = rig.write('proof', proof);
  return (await checkBundle(bundle, rig.address, path)).replace(`${path}: `, '');
}

const SURPLUS = `${Buffer.alloc(32, 7).toString('base64')}\n`;
/** The first of the hashes of a proof, or what stands where a hash would. */
const FIRST = /^[A-Za-z0-9+/]{43}=\n/mu;
const LAST = /^[A-Za-z0-9+/]{43}=\n\n/mu;

describe('one entry', () => {
  let proof: string;
  let index: number;

  beforeAll(async () => {
    index = (await listOf(rig.source().entries(0))).length - 1;
    const proven = await proveEntry(rig.source(), index);
    proof = `${proven.entry}\n${proven.proof}`;
  });

  test('is proven to somebody who has nothing else, the first and the last', async () => {
    expect(await check(proof)).toMatch(/^OK: /);
    const first = await proveEntry(rig.source(), 0);
    expect(await check(`${first.entry}\n${first.proof}`)).toMatch(/^OK: /);
    expect((await rejection(proveEntry(rig.source(), index + 1))).code).toBe('LOG_PROOF');
  });

  test.each<[what: string, change: (proof: string) => string, said: string]>([
    ['of other content', all => all.replace('released', 'reserved'), 'not included'],
    ['with a hash more before', all => all.replace(FIRST, `${SURPLUS}$&`), 'the proof is too long'],
    [
      'with a hash more behind',
      all => all.replace(LAST, each => each.replace('\n\n', `\n${SURPLUS}\n`)),
      'the proof is too long',
    ],
    ['with a hash less', all => all.replace(FIRST, ''), 'the proof is too short'],
    ['with no hash', all => all.replace(/(?:^[A-Za-z0-9+/]{43}=\n)+\n/mu, '\n'), 'the proof is too short'],
    ['with another hash', all => all.replace(FIRST, SURPLUS), 'not included'],
    ['of another place', all => all.replace(`index ${index}`, 'index 1'), 'the proof is too short'],
    ['of a place below the log', all => all.replace(`index ${index}`, 'index -1'), 'no such entry'],
    [
      'of a place behind the head',
      all => all.replace(`index ${index}`, `index ${index + 1}`),
      'no such entry',
    ],
    [
      'with the head of fewer entries',
      all => `${all.slice(0, all.indexOf('\n\n'))}\n\n${rig.outside}`,
      'no such entry',
    ],
  ])('%s is refused', async (_what, change, said) => {
    const changed = change(proof);
    expect(changed).not.toBe(proof);
    expect(await check(changed)).toBe(`FAIL: ${said}`);
  });
});

describe('one head', () => {
  let proof: string;
  let from: number;
  let to: number;

  beforeAll(async () => {
    [from, to] = [sizeOf(rig.outside), rig.source().size];
    proof = await proveConsistency(rig.source(), from, to);
  });

  test('continues another', async () => {
    expect(await check(proof)).toMatch(/^OK: /);
    // Every older one: whole trees on the left, whose root is not in the proof, and others.
    const sizes = Array.from({ length: to }, (_, i) => i + 1);
    const all = sizes.map(async older =>
      rig.write(`heads-${older}`, await proveConsistency(rig.source(), older, to)),
    );
    expect(await checkBundle(bundle, rig.address, ...(await Promise.all(all)))).toMatch(/^OK: /);
    expect((await rejection(proveConsistency(rig.source(), from, to + 1))).code).toBe('LOG_PROOF');
    expect((await rejection(proveConsistency(rig.source(), to + 1, to))).code).toBe('LOG_PROOF');
  });

  test.each<[what: string, change: (proof: string) => string, said: RegExp]>([
    ['with a hash more before', all => all.replace(FIRST, `${SURPLUS}$&`), /^FAIL: .*too long$/],
    [
      'with a hash more behind',
      all => all.replace(LAST, each => each.replace('\n\n', `\n${SURPLUS}\n`)),
      /^FAIL: .*too long$/,
    ],
    ['with a hash less', all => all.replace(FIRST, ''), /^FAIL: .*too short$/],
    ['with no hash', all => all.replace(/(?:^[A-Za-z0-9+/]{43}=\n)+\n/mu, '\n'), /^FAIL: .*too short$/],
    ['with another hash', all => all.replace(FIRST, SURPLUS), /^FAIL: .*not consistent$/],
    [
      'from one entry fewer',
      all => all.replace(`old ${from}`, `old ${from - 1}`),
      /^FAIL: .*(?:too long|too short|not consistent)$/,
    ],
    [
      'from one entry more',
      all => all.replace(`old ${from}`, `old ${from + 1}`),
      /^FAIL: .*(?:too long|too short|not consistent)$/,
    ],
    ['from nothing', all => all.replace(`old ${from}`, 'old 0'), /^FAIL: .*no such head$/],
    [
      'from more than there are',
      all => all.replace(`old ${from}`, `old ${to + 1}`),
      /^FAIL: .*no such head$/,
    ],
    [
      'to the head that it began with',
      all => `${all.slice(0, all.indexOf('\n\n'))}\n\n${rig.outside}`,
      /^FAIL: .*too long$/,
    ],
  ])('%s is refused', async (_what, change, said) => {
    const changed = change(proof);
    expect(changed).not.toBe(proof);
    expect(await check(changed)).toMatch(said);
  });
});
