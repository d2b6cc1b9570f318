import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ProbeReport } from '../../../src/pkcs11/probe-report.ts';
import { formatProbe } from '../../../src/signer/commands/token-text.ts';

const report = JSON.parse(
  readFileSync(new URL('../../../docs/probes/softhsm-2.6.1.json', import.meta.url), 'utf8'),
) as ProbeReport;

test('a probe for people has each line, each custody with its reason, and what to do', () => {
  const text = formatProbe(report);
  for (const { title } of report.findings) expect(text).toContain(title);
  expect(text).toMatch(/SHA-256 opened +refused +CKR 0x7, although listed/u);
  expect(text).toMatch(/^period_keys: token +yes /mu);
  expect(text).toMatch(/token prepare URI --pin SOURCE --kind rsa\n.*period_keys: token is possible/u);
  expect(text).not.toContain('no login');
});

test('a probe without a login says why, and that nothing can be sealed', () => {
  const custody = report.custody.map(each => ({ ...each, carried: false }));
  const text = formatProbe({ ...report, login: 'PIN_LOCKED', custody, advice: { periodKeys: 'keyholder' } });
  expect(text).toMatch(/^no login PIN_LOCKED: nothing was tried$/mu);
  expect(text).toContain('Identities cannot be sealed to this token.');
  expect(text).toContain('leave period_keys: keyholder');
});
