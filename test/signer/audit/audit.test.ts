import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAdminServer } from '../../../src/signer/admin.ts';
import { adminSocketPath, askDaemon } from '../../../src/signer/daemon-client.ts';
import { daemonSource } from '../../../src/signer/audit/daemon-source.ts';
import { exportBundle, openBundle } from '../../../src/signer/audit/bundle.ts';
import type { AuditSource } from '../../../src/signer/audit/source.ts';
import {
  auditExitCode,
  type Expectation,
  type OutsideNote,
  verifyAudit,
} from '../../../src/signer/audit/verify.ts';
import { formatReport, showEntries } from '../../../src/signer/commands/audit-text.ts';
import {
  encodeEntry,
  type Entry,
  parseEntry,
  type ReleasedEntry,
  type ReservedEntry,
} from '../../../src/signer/journal/entries.ts';
import { ServiceNames } from '../../../src/signer/policy/service-names.ts';
import { checkBundle, runCheck } from '../../audit/check-bundle.ts';
import { identity } from '../../descriptor/forge.ts';
import { formatOnionAddress } from '../../../src/descriptor/index.ts';
import { rejection } from '../failure.ts';
import { AuditRig, entryFile, flip, listOf, sizeOf, tamper } from './audit-rig.ts';

let rig: AuditRig;
let good: string;
beforeAll(async () => {
  rig = await AuditRig.create();
  good = await rig.export('good');
});
afterAll(() => rig.dispose());

/** The journal as a thief would show it: other entries, and heads that were once signed. */
const shown = (entries: readonly Uint8Array[], checkpoints: readonly string[]): AuditSource => ({
  ...rig.source(),
  size: entries.length,
  checkpoints,
  // oxlint-disable-next-line typescript/require-await -- as a source gives them
  async *entries() {
    yield* entries;
  },
});

const held = (note: string): OutsideNote[] => [{ name: 'note.txt', note }];
const codesOf = async (source: AuditSource, expected?: Expectation): Promise<string[]> =>
  (await verifyAudit(source, expected)).findings.map(({ code }) => code);

describe('an audit', () => {
  test('holds for the journal and for its export, by address, with a checkpoint from outside', async () => {
    for (const source of [rig.source(), openBundle(good)]) {
      const report = await verifyAudit(source, { address: rig.address, outside: held(rig.outside) });
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({ releases: 2, unsigned: 0, unvouched: 0, lost: 0 });
      expect(report.texts.proven).toBeGreaterThanOrEqual(4);
      expect([report.texts.pruned, report.texts.restricted]).toEqual([0, 0]);
      expect(report.vouchings.map(({ service }) => service)).toEqual(['alpha', 'beta']);
      expect(auditExitCode(report)).toBe(0);
      expect(formatReport(report)).toContain('verdict     the log holds\n');
    }
    expect(await checkBundle(good, rig.address, rig.write('outside', rig.outside))).toMatch(/^OK: /);
  });

  test('holds through the administration socket of the daemon, and is nothing where none runs', async () => {
    const config = { run: rig.folder };
    expect(await daemonSource(config)).toBeUndefined();
    const current = {
      serial: 1,
      text: new Uint8Array(0),
      signer: { origin: 'log', journal: '0'.repeat(32), network: 'tor' },
      names: new ServiceNames(),
    };
    const policy = { current: () => current, apply: () => Promise.resolve(true) };
    const doors = { policy, take: () => Promise.reject(new Error('not here')) };
    const server = createAdminServer(rig.core.context, doors, () => Promise.resolve([]));
    await server.listen({ path: adminSocketPath(config) });
    try {
      const source = await daemonSource(config);
      if (source === undefined) throw new Error('nobody answered');
      const report = await verifyAudit(source, { address: rig.address, outside: held(rig.outside) });
      expect(report).toMatchObject({ findings: [], releases: 2, unsigned: 0, unvouched: 0 });
      expect(report.texts.proven).toBeGreaterThanOrEqual(4);
      expect(await source.text('0'.repeat(64))).toBeUndefined();
      expect(await listOf(source.entries(2))).toHaveLength(source.size - 2);
      for (const path of ['/audit/entries/-1', '/audit/entries/01', '/audit/texts/x'])
        expect((await askDaemon(config, 'GET', path))?.status).toBe(404);
    } finally {
      await server.close();
    }
  });

  test('refuses the address of somebody else, and names it', async () => {
    const stranger = formatOnionAddress(identity('stranger').kpHsId);
    const { findings } = await verifyAudit(openBundle(good), { address: stranger });
    expect(findings).toMatchObject([{ code: 'NOTE_UNVERIFIED' }]);
    expect(findings[0]?.message).toMatch(new RegExp(`: ${stranger} .*compare with its source$`, 'u'));
    expect(await checkBundle(good, stranger)).toBe('FAIL: the address does not vouch for the checkpoint key');
  });

  test('shows entries of a service and since a time, with nothing that a terminal would obey', async () => {
    const lines = await listOf(showEntries(rig.source(), { service: 'alpha' }));
    expect(lines.map(line => line.split(/ +/).find(word => /^[a-z]+$/.test(word)))).toEqual([
      'vouched',
      'reserved',
      'released',
      'refused',
      'reserved',
      'released',
    ]);
    for (const line of lines) expect(line).toMatch(/^[ -~]{1,300}\n$/);
    expect(await listOf(showEntries(rig.source(), { since: 2 ** 39 }))).toEqual([]);
    const notices: string[] = [];
    const note = (line: string) => notices.push(line);
    for (const service of ['alpha', 'nope\n']) {
      for (const since of [0, 2 ** 39]) await listOf(showEntries(rig.source(), { service, since }, note));
    }
    expect(notices).toEqual(Array.from({ length: 2 }, () => 'nope?: the journal has no such service\n'));
    const [first] = await listOf(showEntries(rig.source(), { json: true }));
    expect(JSON.parse(first ?? '')).toMatchObject({ index: 0, kind: 'genesis' });
  });

  test('tells that a signer without an opening cannot prove its key yet', async () => {
    const report = await verifyAudit({ ...rig.source(), checkpoints: [] });
    expect([report.unsigned, auditExitCode(report)]).toEqual([report.entries, 1]);
  });
});

describe('a release', () => {
  /** Entries changed as a signer in other hands might have written them: no head covers them. */
  async function changedBy(change: (entry: Entry) => Entry, policy = (text: string): string => text) {
    const entries = (await listOf(rig.source().entries(0))).map(bytes =>
      encodeEntry(change(parseEntry(bytes))),
    );
    const inForce = rig.core.core.journal.policies.current()?.digest;
    const source: AuditSource = {
      ...shown(entries, []),
      text: async digest => {
        const text = await rig.source().text(digest);
        return digest === inForce ? Buffer.from(policy(Buffer.from(text ?? []).toString())) : text;
      },
    };
    return await codesOf(source);
  }
  const same = (entry: Entry): Entry => entry;
  const released =
    (change: (entry: ReleasedEntry) => object) =>
    (entry: Entry): Entry =>
      entry.kind === 'released' ? { ...entry, ...change(entry) } : entry;
  const reserved =
    (change: (entry: ReservedEntry) => object) =>
    (entry: Entry): Entry =>
      entry.kind === 'reserved' ? { ...entry, ...change(entry) } : entry;

  test('holds as it was made', async () => {
    expect(await changedBy(same)).toEqual([]);
  });

  test.each<[what: string, change: (entry: Entry) => Entry, code: string]>([
    ['a point of no evidence', released(({ evidence }) => ({ evidence: evidence.slice(1) })), 'AUDIT_TEXT'],
    ['texts of other seconds', released(({ texts }) => ({ texts: texts.toReversed() })), 'WRONG_PERIOD'],
    [
      'evidence that is a text',
      released(({ texts }) => ({ evidence: texts.slice(0, 1) })),
      'EVIDENCE_INVALID',
    ],
    ['a publisher that policy does not name', reserved(() => ({ publisher: 'vps9' })), 'AUDIT_TEXT'],
    ['a service that policy does not have', reserved(() => ({ service: 'gamma' })), 'AUDIT_TEXT'],
    ['evidence that was too old by then', reserved(({ at }) => ({ at: at + 5 * 3600 })), 'AUDIT_TEXT'],
    [
      'no word of its network',
      entry => (entry.kind === 'started' ? { ...entry, network: 'lab', votingInterval: 1800 } : entry),
      'EVIDENCE_INVALID',
    ],
  ])('with %s is found', async (_what, change, code) => {
    const codes = await changedBy(change);
    expect(codes).toHaveLength(2);
    // Which of its proofs fails first depends on the hour.
    for (const each of codes) expect([code, 'EVIDENCE_INVALID']).toContain(each);
  });

  test('with a backend that policy does not name is found', async () => {
    const codes = await changedBy(same, text =>
      text.replace('"enabled":true},{"name":"a2"', '"enabled":false},{"name":"a2"'),
    );
    expect(codes).toEqual(['EVIDENCE_INVALID', 'EVIDENCE_INVALID']);
  });
});

describe('a bundle', () => {
  const changed = async (name: string, path: string, change: (bytes: Buffer) => Buffer): Promise<string> => {
    const folder = await rig.export(name, good);
    tamper(folder, path, change);
    return folder;
  };

  test('that was rewritten is found from its own checkpoints', async () => {
    const folder = await changed('rewritten', entryFile(good), flip('"observed":"9'));
    const report = await verifyAudit(openBundle(folder));
    expect(report).toMatchObject({
      findings: [{ code: 'CHECKPOINT_FORK' }],
      checkpoints: 1,
      contradicted: 1,
    });
    expect(formatReport(report)).toContain('1 signature verified, 0 not; 1 contradicted by the entries;');
    expect(await checkBundle(folder, rig.address)).toBe('FAIL: a tile is not that of its entries');
    expect(await runCheck()).toMatch(/^usage: check\.py BUNDLE ADDRESS \[FILE \.\.\.\]/u);
  });

  test('that was truncated, with every part in step, is found from one checkpoint from outside', async () => {
    const newest = rig.source().checkpoints.at(-1) ?? '';
    const shorter = shown((await listOf(rig.source().entries(0))).slice(0, sizeOf(rig.outside)), [
      rig.outside,
    ]);
    expect(await codesOf(shorter, { address: rig.address })).toEqual([]);
    expect(await codesOf(shorter, { outside: held(newest) })).toEqual(['CHECKPOINT_AHEAD']);
    const folder = join(rig.folder, 'truncated');
    await exportBundle(shorter, folder);
    expect(await checkBundle(folder, rig.address)).toMatch(/^OK: /);
    const note = rig.write('newest', newest);
    expect(await checkBundle(folder, rig.address, note)).toMatch(/^FAIL: .*: truncated, /);
  });

  test('that was rewritten, with every part in step, is found from one checkpoint from outside', async () => {
    const entries = await listOf(rig.source().entries(0));
    const other = entries.map(each =>
      Buffer.from(Buffer.from(each).toString().replace('"observed":"9"', '"observed":"8"')),
    );
    const rewritten = shown(other, [rig.outside]);
    expect(await codesOf(rewritten, { address: rig.address, outside: held(rig.outside) })).toEqual([]);
    const newest = rig.source().checkpoints.at(-1) ?? '';
    expect(await codesOf(rewritten, { outside: held(newest) })).toEqual(['CHECKPOINT_FORK']);
    expect(await codesOf(shown(entries, []), { outside: held(newest) })).toEqual([]);
  });

  test.each<[what: string, path: string, needle: string, code: string]>([
    ['a vouching', 'entries', 'checkpoint key 1', 'NOTE_FORMAT'],
    ['an entry', 'entries', '"kind":"refused', 'JOURNAL_ENTRY'],
  ])('with %s changed is refused', async (_what, _path, needle, code) => {
    const folder = await changed(`changed-${code}`, entryFile(good), flip(needle));
    const codes = await codesOf(openBundle(folder), { address: rig.address });
    expect(codes).toContain(code);
    expect(await checkBundle(folder, rig.address)).toMatch(/^FAIL: /);
  });

  test('with another signature, root or size in its checkpoint is refused', async () => {
    for (const [i, change] of [
      (bytes: Buffer) =>
        Buffer.from(bytes.toString().replace(/(?<=— \S+ \S{20})./, each => (each === 'A' ? 'B' : 'A'))),
      (bytes: Buffer) =>
        Buffer.from(bytes.toString().replace(/(?<=\n\d+\n\S{20})./, each => (each === 'A' ? 'B' : 'A'))),
    ].entries()) {
      const folder = await changed(`checkpoint-${i}`, 'checkpoint', change);
      expect(await codesOf(openBundle(folder))).toContain('NOTE_UNVERIFIED');
      expect(await checkBundle(folder, rig.address)).toMatch(/^FAIL: /);
    }
  });

  test('with a text changed is refused, and verifies without the texts that retention took', async () => {
    const [name = ''] = readdirSync(join(good, 'texts'));
    const folder = await changed('text', `texts/${name}`, bytes => Buffer.concat([bytes, Buffer.from('x')]));
    expect(await codesOf(openBundle(folder))).toContain('JOURNAL_TORN');
    expect(await checkBundle(folder, rig.address)).toBe(`FAIL: text ${name} was changed`);
    const pruned = await rig.export('pruned', good);
    const policy = rig.core.core.journal.policies.current()?.digest;
    for (const each of readdirSync(join(pruned, 'texts')))
      if (each !== policy) rmSync(join(pruned, 'texts', each));
    const report = await verifyAudit(openBundle(pruned), {
      address: rig.address,
      outside: held(rig.outside),
    });
    expect([report.findings, report.texts.proven]).toEqual([[], 0]);
    expect(report.texts.pruned).toBeGreaterThanOrEqual(4);
    expect(formatReport(report)).toMatch(/ no longer kept, the newest of \d{4}-/);
    expect(await checkBundle(pruned, rig.address)).toMatch(/^OK: .*, 0 of \d+ texts kept$/);
  });

  test.each(['texts', 'evidence'] as const)(
    'that lacks %s which retention would have left is found',
    async kind => {
      const entries = (await listOf(rig.source().entries(0))).map(bytes => parseEntry(bytes));
      const last = entries.findLast(entry => entry.kind === 'released');
      const folder = await rig.export(`hidden-${kind}`, good);
      for (const each of last?.[kind] ?? []) rmSync(join(folder, 'texts', each));
      const { findings } = await verifyAudit(openBundle(folder));
      expect(findings).toMatchObject([{ index: entries.length - 1, code: 'AUDIT_TEXT' }]);
    },
  );

  test('that lacks a part, or stands where a folder is, is refused', async () => {
    const folder = await rig.export('missing', good);
    rmSync(join(folder, entryFile(folder)));
    expect((await rejection(verifyAudit(openBundle(folder)))).code).toBe('FILE_UNREADABLE');
    for (const name of ['good', 'nowhere/bundle', join('good', 'checkpoint', 'bundle')])
      expect((await rejection(rig.export(name))).code).toBe('BAD_VALUE');
  });
});
