import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatOnionAddress, fromHex, TOR_NETWORK, timePeriod } from '../../src/descriptor/index.ts';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import { printable, shown } from '../../src/publisher/inspect-report.ts';
import { formatInspection, formatInspectionJson } from '../../src/publisher/inspect-text.ts';
import { forge, noise, NOON, PERIOD } from '../descriptor/forge.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW = NOON + 2 * HOUR;
const { text, kpHsId } = forge({ points: 10 });
const address = formatOnionAddress(kpHsId);
const seconds = (iso: string | undefined): number => Date.parse(iso ?? '') / 1000;

describe('Inspecting a descriptor', () => {
  it('shows what an HSDir sees when no address is given.', () => {
    const { hsdir, client, period, findings, exitCode } = inspectDescriptor(text, { now: NOW });
    expect({ client, period, findings, exitCode }).toEqual({
      client: undefined,
      period: undefined,
      findings: [],
      exitCode: 0,
    });
    expect(hsdir).toMatchObject({
      bytes: text.length,
      lifetimeMinutes: 180,
      paddedLikeTor: true,
      unknownLines: 0,
    });
    expect(hsdir?.kpHsBlindId).toMatch(/^[A-Za-z0-9+/]{43}$/u);
    expect(seconds(hsdir?.certExpires)).toBe(NOON + HOUR + 54 * HOUR);
  });

  it('shows what a client sees when the address is given.', () => {
    const { client, exitCode } = inspectDescriptor(text, { now: NOW, address });
    expect(exitCode).toBe(0);
    expect(client).toMatchObject({
      authType: 'x25519',
      authClientLines: 16,
      caaCritical: false,
      restricted: false,
      opened: 'address',
      flowControl: { versions: '1-2', sendmeInc: 31 },
      singleOnionService: false,
    });
    expect(client?.points).toHaveLength(10);
    expect(client?.points.some(({ dropped }) => dropped)).toBe(false);
    expect(client?.points[0]?.link).toEqual([
      expect.stringMatching(/^\d+\.\d+\.\d+\.\d+:\d+$/u),
      expect.stringMatching(/^\$[0-9A-F]{40}$/u),
      expect.stringMatching(/^ed25519:/u),
    ]);
  });

  it.each([
    ['and on a test network', { votingInterval: 10 }, PERIOD],
    ['of a period of no network near', {}, timePeriod(TOR_NETWORK, 40_000)],
  ])('reads a certificate of the last hour that there is, %s.', (_, more, period) => {
    const last = forge({ expiryHours: 0xffff_ffff, innerExpiryHours: 0xffff_ffff, period, counter: 1n });
    const report = inspectDescriptor(last.text, { now: NOW, address, ...more });
    expect(report.exitCode).toBe(1);
    expect(report.findings.map(({ code }) => code)).toContain('WRONG_PERIOD');
    expect(report.hsdir?.certExpires).toBe('out of range');
  });

  it('says when it was made, by certificate, counter and both.', () => {
    const { made } = inspectDescriptor(text, { now: NOW, address });
    for (const span of [made?.byCertificate, made?.byCounter, made?.both]) {
      expect(seconds(span?.from)).toBeLessThanOrEqual(NOON + HOUR);
      expect(seconds(span?.to)).toBeGreaterThanOrEqual(NOON + HOUR);
    }
    expect(inspectDescriptor(text, { now: NOW }).made).toEqual({ byCertificate: made?.byCertificate });
  });

  it('says what ends when, and what is over.', () => {
    const { expires = [] } = inspectDescriptor(text, { now: NOW, address });
    expect(expires).toHaveLength(2 + 2 * 10);
    expect(expires[0]).toMatchObject({ what: 'copy at an HSDir', expired: false });
    expect(seconds(expires[0]?.to)).toBeGreaterThanOrEqual(NOON + HOUR + 3 * HOUR);
    expect(expires.map(({ to }) => to)).toEqual(expires.map(({ to }) => to).sort());
    const later = inspectDescriptor(text, { now: NOON + DAY, address }).expires;
    expect(later?.filter(({ expired }) => expired).map(({ what }) => what)).toEqual(['copy at an HSDir']);
  });

  // The period begins at noon and is published from midnight before it to midnight after its end.
  it.each([
    ['first', NOON + 13 * HOUR, true, []],
    ['first', NOON + 25 * HOUR, false, []],
    ['second', NOON - 1 * HOUR, false, []],
    ['second', NOON + 1 * HOUR, true, []],
    ['over', NOON + 37 * HOUR, false, ['PERIOD_OVER']],
    ['ahead', NOON - 13 * HOUR, false, ['PERIOD_AHEAD']],
  ])('says that its period is %s at %d, and whether clients ask for it.', (role, now, askedFor, codes) => {
    const { period, findings, exitCode } = inspectDescriptor(text, { now, address });
    expect(period).toMatchObject({ periodNum: PERIOD.periodNum, role, askedFor });
    expect(findings.map(({ code }) => code)).toEqual(codes);
    expect(exitCode).toBe(codes.length);
  });

  it('judges publication at the moment of a consensus where one is given.', () => {
    const { period } = inspectDescriptor(text, { now: NOON + 37 * HOUR, publishedAt: NOON, address });
    expect(period?.role).toBe('second');
  });

  it('finds the period of a descriptor that is months old.', () => {
    const { period, findings, exitCode } = inspectDescriptor(text, { now: NOW + 80 * DAY, address });
    expect(period?.periodNum).toBe(PERIOD.periodNum);
    expect(findings[0]).toMatchObject({ code: 'CERT_EXPIRED', part: 'certificate', reason: 'EXPIRED' });
    expect(new Set(findings.map(({ code }) => code))).toEqual(
      new Set(['CERT_EXPIRED', 'PERIOD_OVER', 'POINT_COUNT']),
    );
    expect(exitCode).toBe(1);
  });

  it('says that a restricted service hides the rest, and opens it with the key of a client.', () => {
    const clientKey = noise('a client', 32);
    const restricted = forge({ clients: [clientKey] }).text;
    const closed = inspectDescriptor(restricted, { now: NOW, address });
    expect(closed).toMatchObject({ exitCode: 0, client: { restricted: true, opened: 'no', points: [] } });
    expect(closed.remarks.map(({ code }) => code)).toEqual(['RESTRICTED']);
    expect(formatInspection(closed)).toContain('restricted discovery: the rest needs');
    const open = inspectDescriptor(restricted, { now: NOW, address, clientKey });
    expect(open).toMatchObject({ exitCode: 0, client: { restricted: true, opened: 'client key' } });
    expect(open.client?.points).toHaveLength(3);
    expect(open.remarks).toEqual([]);
    const other = inspectDescriptor(restricted, { now: NOW, address, clientKey: noise('another', 32) });
    expect(other).toMatchObject({
      exitCode: 1,
      client: { opened: 'no' },
      findings: [{ code: 'COOKIE_MISSING', reason: 'OTHER_CLIENT_KEY' }],
    });
    expect(clientKey).toEqual(noise('a client', 32));
    expect(inspectDescriptor(text, { now: NOW, address, clientKey }).remarks[0]?.code).toBe(
      'CLIENT_KEY_NOT_NEEDED',
    );
  });

  it('opens stock tor’s with client authorization, of 2023.', () => {
    const tor = readFileSync(join(import.meta.dirname, '../vectors/arti-hsdesc2.txt'));
    const options = {
      now: Date.UTC(2023, 1, 11),
      address: 'paozpdhgz2okvc6kgbxvh2bnfsmt4xergrtcl4obkhopyvwxkpjzvoad',
    };
    const clientKey = fromHex('90f2d60f917f2423f0989ce9979639435a5b01cf7ab3e0a1b900beb892bae443');
    const report = inspectDescriptor(tor, { ...options, clientKey });
    expect(report).toMatchObject({ period: { periodNum: 19_397 }, client: { opened: 'client key' } });
    expect(report.client?.points).toHaveLength(3);
  });

  it('shows CAA records, and remarks on tags that are none.', () => {
    const caa = [
      { flags: 0, tag: 'issue', value: 'ca.example' },
      { flags: 0, tag: 'IssueWild', value: ';' },
      { flags: 0, tag: 'isue', value: 'ca.example' },
      { flags: 128, tag: 'tbs', value: 'x' },
    ];
    const with4 = forge({
      inner: { caa },
      editMiddle: middle => middle.replace('encrypted\n', 'caa-critical\nencrypted\n'),
    });
    const { client, remarks, exitCode } = inspectDescriptor(with4.text, { now: NOW, address });
    expect({ caa: client?.caa, critical: client?.caaCritical, exitCode }).toEqual({
      caa,
      critical: true,
      exitCode: 0,
    });
    expect(remarks.map(({ code, message }) => [code, /called (\w+)/u.exec(message)?.[1]])).toEqual([
      ['CAA_UNKNOWN_TAG', 'isue'],
      ['CAA_UNKNOWN_CRITICAL', 'tbs'],
    ]);
  });

  it('shows proof of work and single onion services.', () => {
    const line = `pow-params v1 ${Buffer.alloc(32, 7).toString('base64')} 12 2026-09-05T12:30:00\n`;
    const made = forge({
      inner: { singleOnionService: true },
      editInner: inner => inner.replace('create2-formats 2\n', `create2-formats 2\n${line}`),
    });
    const { client } = inspectDescriptor(made.text, { now: NOW, address });
    expect(client).toMatchObject({
      singleOnionService: true,
      pow: { suggestedEffort: 12, expires: '2026-09-05T12:30:00Z' },
    });
  });

  it('says so when certificate and counter name different times.', () => {
    const options = { now: NOW, address };
    const apart = inspectDescriptor(forge({ counter: 32_768n * 3600n }).text, options);
    expect(apart.remarks.map(({ code }) => code)).toContain('TIMES_DIFFER');
    expect(apart.made).not.toHaveProperty('both');
    expect(inspectDescriptor(text, options).remarks).toEqual([]);
    const huge = inspectDescriptor(forge({ counter: 2n ** 64n - 1n }).text, options);
    expect(huge).toMatchObject({
      exitCode: 1,
      findings: [{ code: 'COUNTER_OUT_OF_RANGE', reason: 'OTHER_COUNTER' }],
    });
  });

  it('knows the descriptor of a test network by its voting interval, and names it where it was not given.', () => {
    const votingInterval = 10;
    const period = {
      ...timePeriod(TOR_NETWORK, 0),
      periodNum: 7_452_000,
      lengthMinutes: 4,
      offsetSeconds: 120,
    };
    const at = period.periodNum * 240 + 120;
    const test = forge({ period, at, counter: 4_000_000n });
    expect(inspectDescriptor(test.text, { now: at, address, votingInterval })).toMatchObject({
      exitCode: 0,
      period: { periodNum: 7_452_000, lengthMinutes: 4 },
    });
    const { findings, exitCode, client } = inspectDescriptor(test.text, { now: at, address });
    expect({ exitCode, findings }).toMatchObject({
      exitCode: 1,
      findings: [{ code: 'WRONG_PERIOD', reason: 'OTHER_NETWORK' }],
    });
    expect(findings[0]?.message).toContain('--voting-interval 10');
    expect(client?.points).toHaveLength(3);
    expect(inspectDescriptor(text, { now: NOW, address, votingInterval }).findings[0]?.message).toContain(
      '--voting-interval 3600',
    );
  });
});

describe('The text of an inspection', () => {
  const escape = '\u001b[31m\u202e';

  it('has no character of the input but printable ASCII, and no long line.', () => {
    for (const input of [
      `hs-descriptor 3\n${escape} x\n`,
      `hs-descriptor ${escape}\n`,
      `${escape}\n`,
      `hs-descriptor 3\n${'k'.repeat(20_000)} ${'v'.repeat(20_000)}\n`,
      `hs-descriptor 3\nx \u00fc${escape.repeat(1000)}\n`,
    ]) {
      const report = inspectDescriptor(Buffer.from(input), { now: NOW });
      for (const output of [formatInspection(report), formatInspectionJson(report)]) {
        expect(output).toMatch(/^[\x20-\x7e\n]*$/u);
        expect(Math.max(...output.split('\n').map(line => line.length))).toBeLessThan(1000);
      }
      expect(formatInspection(report)).toContain('FAULT ');
    }
    expect(printable(`a${escape}b`)).toBe('a\\u{1b}[31m\\u{202e}b');
    expect(shown('x'.repeat(50), 10)).toBe('xxxxxxxxxx\\u{2026} (50 characters)');
  });

  it('escapes and cuts hostile lines of layers that open, in the lists too.', () => {
    const hostile = `${'k'.repeat(300)} ${'v'.repeat(300)}\n`;
    const made = forge({ editInner: inner => inner.replace('flow', `${hostile}flow`) });
    const report = inspectDescriptor(made.text, { now: NOW, address });
    expect(report.remarks[0]).toMatchObject({ code: 'UNKNOWN_LINES' });
    expect(report.remarks[0]?.message).toContain(`${'k'.repeat(40)}…`.replace('…', '\\u{2026}'));
    expect(formatInspection(report)).not.toContain('k'.repeat(41));
  });

  it('names size, counter, period, times, points, origin and faults.', () => {
    const output = formatInspection(inspectDescriptor(text, { now: NOW, address }));
    for (const part of [
      'what an HSDir sees',
      'revision counter',
      'time period        20700 of 1440 min',
      'clients ask for it',
      'when it was made',
      'what ends when',
      'what a client sees',
      'introduction points 10',
      'looks like         stock tor',
      'no fault found',
    ]) {
      expect(output).toContain(part);
    }
    expect(formatInspection(inspectDescriptor(Buffer.alloc(0), { now: NOW }))).toContain('FAULT');
  });

  it('as JSON says the same as the report.', () => {
    const report = inspectDescriptor(text, { now: NOW, address });
    expect(JSON.parse(formatInspectionJson(report))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(Object.keys(report)).toEqual(
      'format hsdir client period made expires origin findings remarks exitCode'.split(' '),
    );
    const hostile = { ...report, remarks: [{ code: 'RESTRICTED', message: '\u202e\u{1f600}' } as const] };
    expect(formatInspectionJson(hostile)).toContain('\\u202e\\ud83d\\ude00');
  });
});
