import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatOnionAddress } from '../../src/descriptor/index.ts';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import { formatInspection, printable } from '../../src/publisher/inspect-text.ts';
import { forge, noise, NOON, PERIOD } from '../descriptor/forge.ts';

const NOW = NOON + 7200;
const { text, kpHsId } = forge({ points: 10 });
const address = formatOnionAddress(kpHsId);

describe('Inspecting a descriptor', () => {
  it('shows what an HSDir sees when no address is given.', () => {
    const { hsdir, client, findings, exitCode } = inspectDescriptor(text, { now: NOW });
    expect({ client, findings, exitCode }).toEqual({ client: undefined, findings: [], exitCode: 0 });
    expect(hsdir).toMatchObject({
      bytes: text.length,
      lifetimeMinutes: 180,
      paddedLikeTor: true,
      unknownLines: 0,
    });
    expect(hsdir?.kpHsBlindId).toMatch(/^[A-Za-z0-9+/]{43}$/u);
    expect(hsdir?.certExpires).toBe(
      new Date((NOON + 3600 + 54 * 3600) * 1000).toISOString().replace('.000', ''),
    );
  });

  it('shows what a client sees when the address is given.', () => {
    const { client, exitCode } = inspectDescriptor(text, { now: NOW, address });
    expect(exitCode).toBe(0);
    expect(client).toMatchObject({
      period: PERIOD,
      authClientLines: 16,
      caaCritical: false,
      restricted: false,
      flowControl: { versions: '1-2', sendmeInc: 31 },
      singleOnionService: false,
    });
    expect(client?.points).toHaveLength(10);
    expect(client?.points[0]?.link).toEqual([
      expect.stringMatching(/^\d+\.\d+\.\d+\.\d+:\d+$/u),
      expect.stringMatching(/^\$[0-9A-F]{40}$/u),
      expect.stringMatching(/^ed25519:/u),
    ]);
    const made = [client?.made?.from, client?.made?.to].map(each => Date.parse(each ?? '') / 1000);
    expect(made[0]).toBeLessThanOrEqual(NOON + 3600);
    expect(made[1]).toBeGreaterThanOrEqual(NOON + 3600);
  });

  it('finds the period of a descriptor that is months old.', () => {
    const { client, findings } = inspectDescriptor(text, { now: NOW + 80 * 86_400, address });
    expect(client?.period).toEqual(PERIOD);
    expect(findings.map(({ code }) => code)).toEqual(['CERT_EXPIRED']);
  });

  it('says that a restricted service hides the rest.', () => {
    const restricted = forge({ clients: [noise('a client', 32)] });
    const report = inspectDescriptor(restricted.text, { now: NOW, address });
    expect(report.client).toMatchObject({ restricted: true, points: [] });
    expect(formatInspection(report)).toContain('restricted discovery');
  });

  it('says that the address is another one, and still shows the outside.', () => {
    const other = formatOnionAddress(forge({ label: 'other' }).kpHsId);
    const report = inspectDescriptor(text, { now: NOW, address: other });
    expect(report).not.toHaveProperty('client');
    expect(report).toMatchObject({ exitCode: 1, findings: [{ code: 'WRONG_PERIOD' }] });
    expect(report.hsdir).toBeDefined();
    expect(inspectDescriptor(text, { now: NOW, address: 'nonsense' }).findings[0]?.code).toBe('BAD_ADDRESS');
  });

  it('shows a signature that does not verify, once.', () => {
    const forged = forge({ signDescriptor: () => noise('no signature', 64) }).text;
    const report = inspectDescriptor(forged, { now: NOW, address });
    expect(report.exitCode).toBe(1);
    expect(report.findings.map(({ code }) => code)).toEqual(['BAD_SIGNATURE']);
    expect(report.hsdir?.lifetimeMinutes).toBe(180);
  });

  it('shows points whose certificate is bad, which clients skip.', () => {
    const spoilt = forge({
      editPoint: (point, index) =>
        index === 1
          ? { ...point, authKeyCert: forge({ label: 'x' }).inner.introductionPoints[1]!.authKeyCert }
          : point,
    });
    const report = inspectDescriptor(spoilt.text, { now: NOW, address });
    expect(report.client?.points).toHaveLength(2);
    expect(report.findings[0]?.message).toContain('introduction point 2');
  });

  it.each([
    ['nothing', Buffer.alloc(0), undefined],
    ['noise', Buffer.from(noise('noise', 500)), undefined],
    ['another document', Buffer.from('router moria1 1.2.3.4 9001 0 0\n'), undefined],
    [
      'a bad lifetime',
      Buffer.from(Buffer.from(text).toString('latin1').replace('lifetime 180', 'lifetime 9999')),
      2,
    ],
    ['a cut end', Buffer.from(text).subarray(0, -200), undefined],
    ['too much', Buffer.alloc(60_000, 'a'), undefined],
  ])('of %s ends with the place and the reason.', (_, input, line) => {
    const { findings, exitCode, hsdir } = inspectDescriptor(input, { now: NOW, address });
    expect({ exitCode, hsdir, count: findings.length }).toEqual({ exitCode: 2, hsdir: undefined, count: 1 });
    expect(findings[0]?.message).toMatch(/\w{4}/u);
    if (line !== undefined) expect(findings[0]?.line).toBe(line);
  });

  it('reads descriptors of C tor.', () => {
    const tor = readFileSync(join(import.meta.dirname, '../vectors/arti-hsdesc1.txt'));
    const report = inspectDescriptor(tor, { now: Date.parse('2023-01-23T15:00:00Z') / 1000 });
    expect(report).toMatchObject({
      exitCode: 0,
      hsdir: { revisionCounter: '19655750', paddedLikeTor: true },
    });
  });
});

describe('The text of an inspection', () => {
  it('has no character of the input but printable ASCII.', () => {
    const escape = '\u001b[31m';
    for (const input of [`hs-descriptor 3\n${escape} x\n`, `hs-descriptor ${escape}\n`, `${escape}\n`]) {
      const shown = formatInspection(inspectDescriptor(Buffer.from(input), { now: NOW }));
      expect(shown).toMatch(/^FAULT [A-Z_0-9]+/u);
      expect(shown).toMatch(/^[\x20-\x7e\n]*$/u);
    }
    expect(printable(`a${escape}\u202eb`)).toBe('a\\u{1b}[31m\\u{202e}b');
  });

  it('names size, counter, points and faults.', () => {
    const shown = formatInspection(inspectDescriptor(text, { now: NOW, address }));
    for (const part of [
      'what an HSDir sees',
      'revision counter',
      'what a client sees',
      'introduction points 10',
      'no fault found',
    ]) {
      expect(shown).toContain(part);
    }
    expect(formatInspection(inspectDescriptor(Buffer.alloc(0), { now: NOW }))).toContain('FAULT');
  });
});
