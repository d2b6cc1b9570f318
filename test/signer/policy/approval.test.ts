import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  approveStep,
  encodeApplication,
  encodeProposal,
  parseApplication,
  type PolicyStep,
  signaturesNeeded,
} from '../../../src/signer/policy/approval.ts';
import { difference, formatDifference } from '../../../src/signer/policy/difference.ts';
import { ServiceNames } from '../../../src/signer/policy/service-names.ts';
import { parsePolicySnapshot } from '../../../src/signer/policy/snapshot.ts';
import { encodePolicy, EMPTY_POLICY, type Policy, policyDigest } from '../../../src/signer/policy/types.ts';
import { makeSshKey, softwareToken, sshSign, type SshKey } from '../../ssh-keys.ts';
import { failure } from '../failure.ts';
import { load, serviceYaml } from './services.ts';

const FILE = 'policies/_administrators.yaml';
const token = softwareToken();
let folder: string;
let keys: Record<'anna' | 'ben' | 'carl' | 'mallory', SshKey>;
/** In force: two of anna, ben, carl and the token; three for what loosens. */
let before: Policy;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'approval-'));
  const make = (name: string, type: 'ed25519' | 'ecdsa' = 'ed25519'): SshKey =>
    makeSshKey(folder, name, type);
  keys = { anna: make('anna'), ben: make('ben', 'ecdsa'), carl: make('carl'), mallory: make('mallory') };
  before = withAdministrators(people());
});
afterAll(() => rmSync(folder, { recursive: true }));

const people = (): Record<string, string> => ({
  anna: keys.anna.line,
  ben: keys.ben.line,
  carl: keys.carl.line,
  token: token.line,
});

function administrators(
  named: Record<string, string>,
  thresholds = 'threshold: 2\nthreshold_loosening: 3\n',
) {
  const lines = Object.entries(named).map(([name, line]) => `  ${name}: ${line}\n`);
  return { name: FILE, text: `${thresholds}administrators:\n${lines.join('')}` };
}

const withAdministrators = (named: Record<string, string>, lines = '', thresholds?: string): Policy =>
  load(serviceYaml(lines), administrators(named, thresholds));

const step = (after: Policy, changes: Partial<PolicyStep> = {}): PolicyStep => ({
  signer: { origin: 'onion-signer/01020304', journal: '0'.repeat(32), network: 'tor' },
  before,
  names: new ServiceNames(),
  serial: 7,
  after,
  ...changes,
});

const tightened = (): Policy => withAdministrators(people(), 'limits: { requests: 10/h }\n');
const loosened = (): Policy => withAdministrators(people(), 'limits: { requests: 90/h }\n');

type Name = keyof typeof keys;
const files = (one: PolicyStep, ...names: Name[]) =>
  names.map(name => ({ name: `${name}.sig`, text: sshSign(keys[name], encodeProposal(one)) }));
const refused = (one: PolicyStep, given: Parameters<typeof approveStep>[1]) => {
  const { code, message } = failure(() => approveStep(one, given));
  return [code, message] as const;
};

describe('administrators', () => {
  it('are read with their keys and thresholds, and kept as they were', () => {
    expect(before.administrators).toMatchObject({ threshold: 2, thresholdLoosening: 3 });
    expect(before.administrators?.people.map(({ name, key }) => [name, key.type])).toEqual([
      ['anna', 'ssh-ed25519'],
      ['ben', 'ecdsa-sha2-nistp256'],
      ['carl', 'ssh-ed25519'],
      ['token', 'sk-ssh-ed25519@openssh.com'],
    ]);
    const kept = parsePolicySnapshot(encodePolicy(before));
    expect(policyDigest(kept)).toBe(policyDigest(before));
    expect(difference(before, kept)).toEqual([]);
    const alone = withAdministrators({ anna: keys.anna.line }, '', 'threshold: 1\n');
    expect(alone.administrators).toMatchObject({ threshold: 1, thresholdLoosening: 1 });
  });

  it.each<[string, () => unknown, string]>([
    [
      'no key',
      () => withAdministrators({ anna: 'ssh-ed25519 AAAA' }, '', 'threshold: 1\n'),
      'ADMINISTRATOR-KEY',
    ],
    [
      'one key twice',
      () => withAdministrators({ anna: keys.anna.line, ben: keys.anna.line }, '', 'threshold: 1\n'),
      'ADMINISTRATOR-KEY',
    ],
    ['a threshold above their number', () => withAdministrators(people(), '', 'threshold: 5\n'), 'BAD_VALUE'],
    ['a threshold of none', () => withAdministrators(people(), '', 'threshold: 0\n'), 'BAD_VALUE'],
    [
      'a lower threshold for what loosens',
      () => withAdministrators(people(), '', 'threshold: 2\nthreshold_loosening: 1\n'),
      'BAD_VALUE',
    ],
    ['no threshold', () => withAdministrators(people(), '', ''), 'MISSING_KEY'],
    ['an unknown key', () => withAdministrators(people(), '', 'threshold: 1\nquorum: 2\n'), 'UNKNOWN_KEY'],
  ])('with %s are refused with their place', (_what, act, code) => {
    expect(failure(act)).toMatchObject({ code, file: FILE });
  });

  it('are not read from a stored policy in which they could not decide', () => {
    const text = Buffer.from(encodePolicy(before)).toString();
    for (const change of [
      text.replace('"threshold":2', '"threshold":4'),
      text.replace('"thresholdLoosening":3', '"thresholdLoosening":5'),
      text.replace('"name":"ben"', '"name":"zoe"'),
    ]) {
      expect(change).not.toBe(text);
      expect(failure(() => parsePolicySnapshot(Buffer.from(change))).code).toBe('POLICY_SNAPSHOT');
    }
  });

  it('are shown when they are named, and every later change of them loosens', () => {
    const named = difference(load(serviceYaml()), before);
    expect(named.map(({ loosens }) => loosens)).not.toContain(true);
    expect(formatDifference(named)).toMatch(
      /\(administrators\) {2}administrator anna: absent → ssh-ed25519 SHA256:/,
    );
    const fewer = difference(before, withAdministrators({ anna: keys.anna.line }, '', 'threshold: 1\n'));
    expect(new Set(fewer.map(({ loosens }) => loosens))).toEqual(new Set([true]));
    expect(difference(before, load(serviceYaml())).map(({ loosens }) => loosens)).not.toContain(false);
  });
});

describe('a proposal', () => {
  it('is text that a terminal shows as it is, with the difference in words', () => {
    const text = Buffer.from(encodeProposal(step(loosened()))).toString();
    expect(text).toMatch(/^(?:[ -~]{0,8192}\n)+$/);
    const digests = [before, loosened()].map(policyDigest);
    expect(text).toBe(
      [
        'onion-signer policy proposal 1',
        'log onion-signer/01020304',
        `journal ${'0'.repeat(32)}`,
        'network tor',
        'serial 7',
        `in force sha256:${digests[0]}`,
        `proposed sha256:${digests[1]}`,
        'signatures 3 of 4',
        '',
        'LOOSENS  frontpage  requests per hour: 60 -> 90',
        '',
      ].join('\n'),
    );
  });

  it('says the limits of a new service, which nobody could read from a digest', () => {
    const after = load(serviceYaml('limits: { requests: 3600/h }\nsingle_onion: true\n'));
    const text = Buffer.from(encodeProposal(step(after, { before: EMPTY_POLICY }))).toString();
    expect(text).toContain('LOOSENS  frontpage  requests per hour: 60 -> 3600\n');
    expect(text).toContain('LOOSENS  frontpage  single_onion: false -> true\n');
  });
});

describe('the next policy', () => {
  it('needs no signature before administrators are in force, and takes none', () => {
    const first = step(before, { before: load(serviceYaml()) });
    expect(approveStep(first, [])).toBeUndefined();
    expect(refused(first, files(first, 'anna'))[0]).toBe('POLICY_SIGNER');
  });

  it('needs the threshold, and more where it loosens', () => {
    const [tight, loose] = [step(tightened()), step(loosened())];
    expect([signaturesNeeded(tight), signaturesNeeded(loose), signaturesNeeded(step(before))]).toEqual([
      2, 3, 2,
    ]);
    expect(refused(tight, [])).toEqual(['POLICY_UNSIGNED', expect.stringContaining('needs 2 of 4')]);
    expect(refused(tight, files(tight, 'ben'))).toEqual([
      'POLICY_UNSIGNED',
      expect.stringContaining('has ben'),
    ]);
    const approved = approveStep(tight, files(tight, 'ben', 'anna'));
    expect(approved?.signatures.map(({ administrator }) => administrator)).toEqual(['anna', 'ben']);
    expect(approved?.proposal).toEqual(encodeProposal(tight));
    expect(refused(loose, files(loose, 'ben', 'anna'))[0]).toBe('POLICY_UNSIGNED');
    const touched = { name: 'token.sig', text: token.sign(encodeProposal(loose)) };
    expect(approveStep(loose, [...files(loose, 'ben', 'anna'), touched])?.signatures).toHaveLength(3);
  });

  it('takes a token’s signature only with a touch', () => {
    const one = step(tightened());
    const untouched = { name: 'token.sig', text: token.sign(encodeProposal(one), { flags: 0 }) };
    expect(refused(one, [...files(one, 'anna'), untouched])[0]).toBe('POLICY_SIGNATURE');
  });

  it('counts one key once', () => {
    const one = step(tightened());
    expect(refused(one, files(one, 'anna', 'anna'))).toEqual([
      'POLICY_SIGNER',
      expect.stringContaining('one key counts once'),
    ]);
  });

  it('is signed by those in force, not by those whom it names', () => {
    const next = step(withAdministrators({ mallory: keys.mallory.line }, '', 'threshold: 1\n'));
    const [code, message] = refused(next, files(next, 'mallory'));
    expect([code, message]).toEqual([
      'POLICY_SIGNER',
      expect.stringMatching(/^mallory\.sig: SHA256:\S+ is no/),
    ]);
    expect(refused(next, files(next, 'anna', 'ben'))[0]).toBe('POLICY_UNSIGNED');
    expect(approveStep(next, files(next, 'anna', 'ben', 'carl'))?.signatures).toHaveLength(3);
    const away = step(load(serviceYaml()));
    expect(signaturesNeeded(away)).toBe(3);
    expect(refused(away, [])[0]).toBe('POLICY_UNSIGNED');
  });

  it('counts no signature for another use, serial, signer or text', () => {
    const one = step(tightened());
    const others: PolicyStep[] = [
      step(loosened()),
      step(tightened(), { serial: 6 }),
      step(tightened(), { before: tightened() }),
      step(tightened(), { signer: { ...one.signer, journal: '1'.repeat(32) } }),
      step(tightened(), { signer: { ...one.signer, network: 'lab' } }),
    ];
    expect(approveStep(one, files(one, 'anna', 'carl'))).toBeDefined();
    for (const other of others) {
      const given = [...files(one, 'anna'), ...files(other, 'carl')];
      expect(refused(one, given)).toEqual([
        'POLICY_SIGNATURE',
        expect.stringContaining('carl signed another text'),
      ]);
    }
    const foreign = { name: 'carl.sig', text: sshSign(keys.carl, encodeProposal(one), 'git') };
    expect(refused(one, [foreign])).toEqual([
      'POLICY_SIGNATURE',
      expect.stringContaining('sign with -n onion-signer-policy'),
    ]);
    expect(refused(one, [{ name: 'x', text: 'no signature\n' }])[0]).toBe('POLICY_SIGNATURE');
  });

  it('comes to the daemon with its signatures, and with nothing else', () => {
    const one = step(tightened());
    const given = files(one, 'anna', 'ben');
    const body = encodeApplication(encodePolicy(one.after), given);
    const read = parseApplication(body);
    expect(Buffer.from(read.text)).toEqual(Buffer.from(encodePolicy(one.after)));
    expect(read.signatures.map(({ text }) => text)).toEqual(given.map(({ text }) => text));
    expect(parseApplication(encodePolicy(before)).signatures).toEqual([]);
    const more = Buffer.concat([body, Buffer.from('{}\n')]);
    expect(failure(() => parseApplication(more)).code).toBe('REQUEST_SCHEMA');
  });
});
