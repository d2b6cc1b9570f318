import { afterAll, beforeAll, expect, test } from 'vitest';
import { journalSource } from '../../../src/signer/audit/journal-source.ts';
import type { AuditSource } from '../../../src/signer/audit/source.ts';
import { verifyAudit } from '../../../src/signer/audit/verify.ts';
import { showEntries } from '../../../src/signer/commands/audit-text.ts';
import { encodeEntry, parseEntry, type PolicyEntry } from '../../../src/signer/journal/entries.ts';
import { approveStep, encodeProposal } from '../../../src/signer/policy/approval.ts';
import { readServiceNames } from '../../../src/signer/policy/service-names.ts';
import { EMPTY_POLICY, encodePolicy, type Policy } from '../../../src/signer/policy/types.ts';
import { softwareToken } from '../../ssh-keys.ts';
import { TestJournal } from '../journal/open-test-journal.ts';
import { BACKENDS, load, serviceYaml } from '../policy/services.ts';
import { listOf } from './audit-rig.ts';

const [anna, ben] = [softwareToken(), softwareToken('ecdsa')];
const ADMINISTRATORS = {
  name: '_administrators.yaml',
  text: `threshold: 2\nadministrators: { anna: "${anna.line}", ben: "${ben.line}" }\n`,
};
const policy = (lines = ''): Policy => load(serviceYaml(lines), ADMINISTRATORS);

const log = new TestJournal();
let source: AuditSource;

/** Policy 1 names administrators, 2 and 3 are signed by both. */
beforeAll(async () => {
  const { journal } = log;
  const signer = { origin: journal.standing.origin, journal: journal.journalId, network: 'tor' };
  let before = policy();
  await journal.policies.apply(1, encodePolicy(before));
  const names = readServiceNames(journal.policies);
  for (const [serial, lines] of [
    [2, 'limits: { requests: 61/h }\n'],
    [3, 'limits: { requests: 62/h }\n'],
  ] as const) {
    const step = { signer, before, names, serial, after: policy(lines) };
    const files = [anna, ben].map((each, i) => ({ name: `${i}`, text: each.sign(encodeProposal(step)) }));
    await journal.policies.apply(serial, encodePolicy(step.after), approveStep(step, files));
    before = step.after;
  }
  source = { ...journalSource(journal), close: () => undefined };
});
afterAll(() => log.remove());

/** Codes of the findings when each policy entry is changed, and each text as `text` has it. */
async function findings(
  change: (entry: PolicyEntry) => PolicyEntry,
  text: AuditSource['text'] = digest => source.text(digest),
): Promise<(number | string | undefined)[][]> {
  const changed: AuditSource = {
    ...source,
    text,
    async *entries(from) {
      for await (const bytes of source.entries(from)) {
        const entry = parseEntry(bytes);
        yield entry.kind === 'policy' ? encodeEntry(change(entry)) : bytes;
      }
    },
  };
  return (await verifyAudit(changed)).findings.map(({ index, code }) => [index, code]);
}

const third =
  (change: Partial<PolicyEntry>) =>
  (entry: PolicyEntry): PolicyEntry =>
    entry.serial === 3 ? { ...entry, ...change } : entry;
const entryOf = async (serial: number): Promise<PolicyEntry> => {
  const entries = (await listOf(source.entries(0))).map(parseEntry);
  const found = entries.find(entry => entry.kind === 'policy' && entry.serial === serial);
  if (found?.kind !== 'policy') throw new Error('no such policy');
  return found;
};

test('an audit proves again who signed each policy', async () => {
  expect(await findings(entry => entry)).toEqual([]);
  const lines = await listOf(showEntries(source, {}));
  expect(lines.map(line => / signatures=(\S+)/u.exec(line)?.[1])).toEqual([
    undefined,
    'none',
    'anna,ben',
    'anna,ben',
  ]);
});

test('an audit finds a policy that too few signed, or that others signed', async () => {
  const [second, last] = [await entryOf(2), await entryOf(3)];
  expect(await findings(third({ proposal: null, signatures: [] }))).toEqual([[3, 'POLICY_UNSIGNED']]);
  expect(await findings(third({ signatures: last.signatures.slice(1) }))).toEqual([[3, 'POLICY_UNSIGNED']]);
  expect(await findings(third({ signatures: second.signatures }))).toEqual([[3, 'POLICY_SIGNATURE']]);
  const twice = last.signatures.map(each => ({ ...each, digest: last.signatures[0]?.digest ?? '' }));
  expect(await findings(third({ signatures: twice }))).toEqual([[3, 'POLICY_SIGNER']]);
});

test('an audit finds a signature under another name, a foreign proposal and a text that is gone', async () => {
  const [second, last] = [await entryOf(2), await entryOf(3)];
  const names = last.signatures.map(each => ({ ...each, administrator: 'carl' }));
  expect(await findings(third({ signatures: names }))).toEqual([[3, 'JOURNAL_TORN']]);
  expect(await findings(third({ proposal: second.proposal }))).toEqual([[3, 'JOURNAL_TORN']]);
  const gone = last.signatures[0]?.digest;
  const codes = await findings(
    entry => entry,
    async digest => (digest === gone ? undefined : await source.text(digest)),
  );
  expect(codes).toEqual([[3, 'JOURNAL_TORN']]);
});

test('an audit finds a policy that nobody kept, and the step after it', async () => {
  const second = await entryOf(2);
  const codes = await findings(entry =>
    entry.serial === second.serial ? { ...entry, digest: '0'.repeat(64) } : entry,
  );
  expect(codes).toEqual([
    [2, 'JOURNAL_TORN'],
    [3, 'JOURNAL_TORN'],
  ]);
});

test('an audit finds a retired backend that came back', async () => {
  const [address, other] = [BACKENDS[0]?.address ?? '', BACKENDS[3]?.address ?? ''];
  const without = load(serviceYaml().replace(address, other), {
    name: '_retired.yaml',
    text: `retired: { old: ${address} }\n`,
  });
  const journal = new TestJournal();
  try {
    await journal.journal.policies.apply(1, encodePolicy(without));
    await journal.journal.policies.apply(2, encodePolicy(load(serviceYaml())));
    const report = await verifyAudit({ ...journalSource(journal.journal), close: () => undefined });
    expect(report.findings.map(({ index, code }) => [index, code])).toEqual([[2, 'BACKEND-RETIRED']]);
  } finally {
    journal.remove();
  }
});

test('an audit finds a service that came back under another name', async () => {
  const journal = new TestJournal();
  const renamed = serviceYaml().replace('service: frontpage', 'service: backpage');
  try {
    await journal.journal.policies.apply(1, encodePolicy(load(serviceYaml())));
    await journal.journal.policies.apply(2, encodePolicy(EMPTY_POLICY));
    await journal.journal.policies.apply(3, encodePolicy(load(renamed)));
    const report = await verifyAudit({ ...journalSource(journal.journal), close: () => undefined });
    expect(report.findings.map(({ index, code }) => [index, code])).toEqual([[3, 'SERVICE-NAME']]);
  } finally {
    journal.remove();
  }
});
