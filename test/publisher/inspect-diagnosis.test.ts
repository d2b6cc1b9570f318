import { describe, expect, it } from 'vitest';
import { formatOnionAddress } from '../../src/descriptor/index.ts';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import { adviceFor, DIAGNOSIS_REASONS } from '../../src/publisher/inspect-diagnosis.ts';
import type { InspectReport } from '../../src/publisher/inspect-report.ts';
import { ed25519Pair, forge, makePoint, noise, NOON } from '../descriptor/forge.ts';

const NOW = NOON + 7200;
const { text, kpHsId } = forge();
const address = formatOnionAddress(kpHsId);
const TEXT = Buffer.from(text).toString('latin1');
const inspect = (input: string | Uint8Array, now = NOW): InspectReport =>
  inspectDescriptor(typeof input === 'string' ? Buffer.from(input, 'latin1') : input, { now, address });

/** The text with one character of its line `number` (from 1) replaced. */
function damage(source: string, number: number, at: number, by = '!'): string {
  const lines = source.split('\n');
  const line = lines[number - 1] ?? '';
  lines[number - 1] = line.slice(0, at) + by + line.slice(at + by.length);
  return lines.join('\n');
}

describe('A text that is no descriptor', () => {
  it('is none of these when it is good.', () => {
    expect(inspect(TEXT)).toMatchObject({ exitCode: 0, findings: [] });
    expect(inspect(TEXT.slice(0, -1))).toMatchObject({ exitCode: 0, findings: [] });
  });

  it.each([
    ['nothing', '', 'EMPTY'],
    ['blank lines', '\n\n', 'EMPTY'],
    ['noise', Buffer.from(noise('noise', 500)).toString('latin1'), 'OTHER_DOCUMENT'],
    ['a router’s', 'router moria1 1.2.3.4 9001 0 0\n', 'OTHER_DOCUMENT'],
    ['a web page', '<!DOCTYPE html>\n<p>hs-descriptor 3\n', 'WEB_PAGE'],
    ['an HTTP answer', `HTTP/1.0 200 OK\r\n\r\n${TEXT}`, 'WEB_PAGE'],
    ['of version 2', 'rendezvous-service-descriptor x\nversion 2\n', 'OTHER_VERSION'],
    ['of version 4', TEXT.replace('hs-descriptor 3', 'hs-descriptor 4'), 'OTHER_VERSION'],
    ['a reply of a control port', `250+hs/client/desc/id/x=\n${TEXT}`, 'LEADING_TEXT'],
    ['with a byte order mark', `\u00ef\u00bb\u00bf${TEXT}`, 'LEADING_TEXT'],
    ['with the end of a reply', `${TEXT}.\n250 OK\n`, 'TRAILING_TEXT'],
    ['with CR LF', TEXT.replaceAll('\n', '\r\n'), 'CR_LINE_ENDS'],
    ['too large', 'hs-descriptor 3\n'.repeat(4000), 'CUT_SHORT'],
    ['large and signed', TEXT.replace('revision', `${'x y\n'.repeat(15_000)}revision`), 'TOO_LARGE'],
    ['without its lifetime', TEXT.replace(/descriptor-lifetime.*\n/u, ''), 'MISSING_LINE'],
    ['with two counters', TEXT.replace(/(revision-counter .*\n)/u, '$1$1'), 'REPEATED_LINE'],
    ['with a lifetime of a week', TEXT.replace('lifetime 180', 'lifetime 9999'), 'BAD_VALUE'],
    ['with a line that is none', TEXT.replace('revision-counter', '_revision-counter'), 'BAD_LINE'],
    ['with a space before its signature', TEXT.replace('\nsignature ', '\n signature '), 'BAD_LINE'],
    ['with another certificate', damage(TEXT, 5, 0, 'AgA'), 'BAD_CERTIFICATE'],
  ])('%s is diagnosed, with what to do next.', (_, input, reason) => {
    const { findings, exitCode, hsdir } = inspect(input);
    expect({ exitCode, hsdir, count: findings.length }).toEqual({ exitCode: 2, hsdir: undefined, count: 1 });
    expect(findings[0]).toMatchObject({ layer: 'outer', reason });
    expect(findings[0]?.advice).toMatch(/\w{4}.*\w{4}/u);
  });

  it.each([1, 30, 80, 200, 2000, TEXT.length / 2, TEXT.length - 500])(
    'cut short by %d bytes is known as cut, and what came is shown.',
    cut => {
      const { findings, exitCode, readable = [] } = inspect(TEXT.slice(0, -1 - Math.floor(cut)));
      expect(exitCode).toBe(2);
      expect(findings).toMatchObject([{ reason: 'CUT_SHORT' }]);
      expect(readable[0]?.lines[0]).toBe('1: hs-descriptor 3');
    },
  );

  it('has the line and the byte of the damage, and shows the lines before it.', () => {
    const { findings, readable } = inspect(damage(TEXT, 40, 10));
    const offset = TEXT.split('\n').slice(0, 39).join('\n').length + 1 + 10;
    expect(findings).toMatchObject([{ code: 'BAD_BASE64', reason: 'DAMAGED_BASE64', line: 40, offset }]);
    expect(readable?.[0]).toMatchObject({ layer: 'outer', more: 0 });
    expect(readable?.[0]?.lines).toEqual([
      '1: hs-descriptor 3',
      '2: descriptor-lifetime 180',
      '3: descriptor-signing-key-cert [ED25519 CERT, 140 bytes]',
      expect.stringMatching(/^9: revision-counter \d+$/u),
    ]);
  });

  it('has the line of a certificate that cannot be read.', () => {
    const { findings } = inspect(damage(TEXT, 5, 55, 'h'));
    const offset = TEXT.indexOf('descriptor-signing-key-cert');
    expect(findings).toMatchObject([{ part: 'certificate', code: 'BAD_CERT', line: 3, offset }]);
  });

  it('has the place of bytes that no text has.', () => {
    const at = TEXT.indexOf('revision');
    const { findings, readable } = inspect(damage(TEXT, 9, 3, '\u0001'));
    expect(findings[0]).toMatchObject({ code: 'BAD_SYNTAX', line: 9, offset: at + 3 });
    expect(readable?.[0]?.lines).toHaveLength(3);
    expect(inspect(damage(TEXT, 9, 3, '\u00ff'))).toMatchObject({
      findings: [{ code: 'BAD_UTF8', reason: 'DAMAGED_TEXT', line: 9 }],
      readable: [{ lines: { length: 3 } }],
    });
  });
});

describe('A descriptor that is well-formed', () => {
  it('but of another address is told from one of another period, and still shows the outside.', () => {
    const other = formatOnionAddress(forge({ label: 'other' }).kpHsId);
    const report = inspectDescriptor(text, { now: NOW, address: other });
    expect(report).toMatchObject({
      exitCode: 1,
      findings: [{ code: 'WRONG_PERIOD', reason: 'OTHER_ADDRESS' }],
    });
    expect(report.findings).toHaveLength(1);
    expect(report).not.toHaveProperty('client');
    expect(report.hsdir).toBeDefined();
    const far = inspectDescriptor(text, { now: NOW + 400 * 86_400, address });
    expect(far.findings.map(({ reason }) => reason)).not.toContain('OTHER_ADDRESS');
    const longLived = forge({ expiryHours: NOON / 3600 + 300 * 24, at: NOON }).text;
    const past = inspectDescriptor(longLived, { now: NOW + 150 * 86_400, address });
    expect(past).toMatchObject({ exitCode: 1, client: { opened: 'address' } });
    expect(past.findings[0]).toMatchObject({ code: 'WRONG_PERIOD', reason: 'OTHER_PERIOD' });
  });

  it('asked about with an address that is none is unusable input.', () => {
    const report = inspectDescriptor(text, { now: NOW, address: 'nonsense' });
    expect(report).toMatchObject({ exitCode: 2, findings: [{ code: 'BAD_ADDRESS', reason: 'BAD_ADDRESS' }] });
    expect(report.hsdir).toBeDefined();
    const network = inspectDescriptor(text, { now: NOW, votingInterval: 7 });
    expect(network).toMatchObject({ exitCode: 2, findings: [{ code: 'BAD_PERIOD' }] });
  });

  it('shows a signature that does not verify, once, and all that stands in the text.', () => {
    const report = inspect(forge({ signDescriptor: () => noise('no signature', 64) }).text);
    expect(report).toMatchObject({
      exitCode: 1,
      findings: [{ code: 'BAD_SIGNATURE', part: 'signature', reason: 'ALTERED' }],
    });
    expect(report.client?.points).toHaveLength(3);
    expect(report.findings).toHaveLength(1);
  });

  it('with another counter does not open, and is known as altered.', () => {
    const { findings } = inspect(
      TEXT.replace(/(?<=revision-counter \d*)\d\n/u, last => `${(Number(last) + 1) % 10}\n`),
    );
    expect(findings.map(({ code, layer, reason }) => [code, layer, reason])).toEqual([
      ['BAD_SIGNATURE', 'outer', 'ALTERED'],
      ['BAD_MAC', 'middle', 'ALTERED'],
    ]);
  });

  it('with a certificate of no blinded key keeps the reason.', () => {
    const { findings } = inspect(forge({ signCert: () => noise('none', 64) }).text);
    expect(findings).toMatchObject([{ code: 'BAD_SIGNATURE', part: 'certificate', reason: 'ALTERED' }]);
  });

  it.each([
    [
      'another signing key',
      forge({ label: 'x' }).inner.introductionPoints[1]?.authKeyCert,
      ['WRONG_KEY', 'auth-key-cert', 'OTHER_SIGNER'],
    ],
    [
      'the certificate of an enc-key',
      forge().inner.introductionPoints[1]?.encKeyCert,
      ['BAD_CERT', 'auth-key-cert', 'BAD_CERTIFICATE'],
    ],
    [
      'a past hour',
      makePoint('backend point 1', forge().descSign, NOON / 3600).authKeyCert,
      ['CERT_EXPIRED', 'auth-key-cert', 'EXPIRED'],
    ],
    [
      'a bad signature',
      Buffer.concat([
        forge().inner.introductionPoints[1]?.authKeyCert.subarray(0, 76) ?? '',
        noise('s', 64),
      ] as Buffer[]),
      ['BAD_SIGNATURE', 'auth-key-cert', 'ALTERED'],
    ],
  ])(
    'whose second point has a certificate of %s names the certificate’s own reason.',
    (_, authKeyCert, expected) => {
      const spoilt = forge({
        editPoint: (point, index) =>
          index === 1 && authKeyCert !== undefined ? { ...point, authKeyCert } : point,
      });
      const { findings, client, exitCode } = inspect(spoilt.text);
      expect(findings.map(({ code, part, reason, point }) => [code, part, reason, point])).toEqual([
        [...expected, 2],
      ]);
      expect(client?.points.map(({ dropped }) => dropped)).toEqual([false, true, false]);
      expect(exitCode).toBe(1);
    },
  );

  it('whose points are all dropped says so.', () => {
    const other = ed25519Pair('another');
    const { findings } = inspect(
      forge({ editPoint: (_, index) => makePoint(`p ${index}`, other, NOON / 3600 + 54) }).text,
    );
    expect(findings.at(-1)).toMatchObject({ code: 'POINT_COUNT', reason: 'NO_POINTS' });
    expect(findings).toHaveLength(7);
  });
});

describe('A fault inside a layer', () => {
  it('of the middle has line and byte there, and its lines before are shown.', () => {
    const { findings, readable, client } = inspect(
      forge({ editMiddle: middle => middle.replace('encrypted\n', 'auth-client AAA! BB CC\nencrypted\n') })
        .text,
    );
    expect(findings).toMatchObject([{ layer: 'middle', code: 'BAD_BASE64', reason: 'DAMAGED_BASE64' }]);
    expect(readable?.[0]).toMatchObject({ layer: 'middle' });
    expect(readable?.[0]?.lines[0]).toBe('1: desc-auth-type x25519');
    expect(client?.authClientLines).toBe(17);
  });

  it('of the middle’s padding is one.', () => {
    const { findings } = inspect(forge({ editPadded: padded => padded.fill(1, -1) }).text);
    expect(findings).toMatchObject([
      { layer: 'middle', code: 'BAD_LAYER', offset: expect.any(Number) as number },
    ]);
  });

  it('of the inner leaves the points before it.', () => {
    const { findings, client, readable } = inspect(
      forge({ editInner: inner => damage(inner, inner.split('\n').length - 3, 5) }).text,
    );
    expect(findings).toMatchObject([{ layer: 'inner', code: 'BAD_BASE64', reason: 'DAMAGED_BASE64' }]);
    expect(client).toMatchObject({ flowControl: { sendmeInc: 31 }, points: [{ place: 1 }, { place: 2 }] });
    expect(readable).toBeUndefined();
  });

  it('of one point leaves the others.', () => {
    const { findings, client } = inspect(
      forge({
        editInner: inner => inner.replace(/(introduction-point [^]*?)onion-key ntor/u, '$1onion-key tap'),
      }).text,
    );
    expect(findings).toMatchObject([
      { layer: 'inner', part: 'point', point: 1, code: 'BAD_POINT', reason: 'BAD_POINT' },
    ]);
    expect(client?.points.map(({ place }) => place)).toEqual([2, 3]);
  });

  it('of the head leaves the points.', () => {
    const { findings, client } = inspect(
      forge({ editInner: inner => inner.replace('create2-formats 2', 'create2-formats 1') }).text,
    );
    expect(findings).toMatchObject([{ layer: 'inner', part: 'text', code: 'BAD_LAYER', line: 1, offset: 0 }]);
    expect(client?.points).toHaveLength(3);
  });

  it('of 21 points is one, as clients refuse them.', () => {
    const twenty = forge({ points: 20 });
    expect(inspect(twenty.text).findings).toEqual([]);
    const more = forge({
      points: 20,
      editInner: inner =>
        inner + inner.slice(inner.indexOf('introduction-point'), inner.indexOf('introduction-point', 200)),
    });
    expect(inspect(more.text).findings).toMatchObject([{ code: 'POINT_COUNT', reason: 'BAD_VALUE' }]);
  });
});

describe('Advice', () => {
  it('is of every reason, and of each another.', () => {
    const advice = DIAGNOSIS_REASONS.map(adviceFor);
    expect(new Set(advice).size).toBe(DIAGNOSIS_REASONS.length);
    for (const each of advice) expect(each.length).toBeGreaterThan(30);
  });
});
