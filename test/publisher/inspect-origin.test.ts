import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  blindingParam,
  type Bytes,
  certExpiryHours,
  encodeBase64,
  formatOnionAddress,
  fromHex,
  parseKpHsId,
  publishablePeriods,
  srvRunStart,
  TOR_NETWORK,
  toHex,
} from '../../src/descriptor/index.ts';
import { inspectDescriptor } from '../../src/publisher/inspect.ts';
import type { Mark, Origin } from '../../src/publisher/inspect-origin.ts';
import { formatInspection } from '../../src/publisher/inspect-text.ts';
import { ed25519Pair, type Forgery, forge, noise, NOON } from '../descriptor/forge.ts';
import { vector } from '../descriptor/vectors.ts';

/** Debian's interpreter: the one that has python3-stem and onionbalance. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('make-descriptor.py', import.meta.url));
/** Not on the hour, where rounding up and down are one. */
const AT = NOON + 3700;
const NOW = NOON + 7200;

function originOf(text: Bytes, address: string | undefined, now = NOW, clientKey?: Bytes): Origin {
  const { origin } = inspectDescriptor(text, { now, address, clientKey });
  if (origin === undefined) throw new Error('the text is no descriptor');
  return origin;
}

function forged(forgery: Forgery = {}): Origin {
  const { text, kpHsId } = forge({ at: AT, ...forgery });
  return originOf(text, formatOnionAddress(kpHsId));
}

const names = (marks: readonly Mark[]): string[] => marks.map(({ mark }) => mark);
const against = ({ marks }: Origin, software: Mark['speaksFor'][number]): string[] =>
  names(marks.filter(({ speaksFor }) => !speaksFor.includes(software)));

/** As Arti writes it, by the notes of its habits. */
function artiForgery(): Forgery {
  const at = AT;
  const points = [...forge().inner.introductionPoints];
  points.sort((a, b) => Buffer.compare(a.onionKey, b.onionKey));
  const hours = certExpiryHours(at);
  const made = forge({ at, innerExpiryHours: hours });
  const byKey = new Map(made.inner.introductionPoints.map(point => [toHex(point.onionKey), point]));
  const line = `auth-client ${[8, 16, 16].map(length => encodeBase64(noise('fake', length))).join(' ')}\n`;
  return {
    at,
    innerExpiryHours: hours,
    inner: {
      flowControl: undefined,
      introductionPoints: points.map(({ onionKey }) => byKey.get(toHex(onionKey))!),
    },
    editInner: inner => inner.replace('create2-formats 2\n', 'create2-formats 2\nproto Relay=5\n'),
    editMiddle: middle => `${middle.replace(/(?:auth-client .*\n)+/u, line)}\n`,
    editPadded: padded => {
      const bare = padded.subarray(0, padded.indexOf(0));
      const out = new Uint8Array(Math.ceil(bare.length / 10_240) * 10_240);
      out.set(bare);
      return out;
    },
    editOuter: outer => outer.replace('lifetime 180', 'lifetime 720'),
  };
}

describe('A descriptor of ours', () => {
  it('looks like stock tor’s, and the report says that ours do.', () => {
    const origin = forged({ points: 10 });
    expect(origin).toMatchObject({ looksLike: 'tor', confidence: 'high' });
    expect(against(origin, 'tor')).toEqual([]);
    expect(names(origin.marks)).toEqual([
      'padding',
      'expiry of the signing key',
      'end of the middle layer',
      'fields of client lines',
      'number of client lines',
      'end of the inner layer',
      'flow-control',
      'order of the points',
      'expiry of the points',
    ]);
    const { text, kpHsId } = forge();
    const shown = formatInspection(
      inspectDescriptor(text, { now: NOW, address: formatOnionAddress(kpHsId) }),
    );
    expect(shown).toContain('looks like         stock tor (onion-signer writes the same, on purpose)');
  });

  it('with CAA records is not quite stock tor’s.', () => {
    const origin = forged({ inner: { caa: [{ flags: 0, tag: 'issue', value: 'ca.example' }] } });
    expect(origin.looksLike).toBe('tor');
    expect(against(origin, 'tor')).toEqual(['caa']);
  });

  it('of a restricted service still does.', () => {
    const clientKey = noise('a client', 32);
    const { text, kpHsId } = forge({ at: AT, clients: [clientKey] });
    const address = formatOnionAddress(kpHsId);
    expect(originOf(text, address)).toMatchObject({ looksLike: 'tor' });
    const opened = originOf(text, address, NOW, clientKey);
    expect(opened).toMatchObject({ looksLike: 'tor', confidence: 'high' });
  });
});

describe('A descriptor of stock tor', () => {
  it('without its address shows few marks.', () => {
    expect(originOf(vector('arti-hsdesc1.txt'), undefined)).toEqual({
      looksLike: 'tor',
      confidence: 'low',
      marks: [{ mark: 'padding', seen: '10000 bytes padded, a multiple of 10,000', speaksFor: ['tor'] }],
    });
  });

  it('of 2023, of a restricted service, has all marks for it.', () => {
    const clientKey = fromHex('90f2d60f917f2423f0989ce9979639435a5b01cf7ab3e0a1b900beb892bae443');
    const address = 'paozpdhgz2okvc6kgbxvh2bnfsmt4xergrtcl4obkhopyvwxkpjzvoad';
    const origin = originOf(vector('arti-hsdesc2.txt'), address, Date.UTC(2023, 1, 11) / 1000, clientKey);
    expect(origin).toMatchObject({ looksLike: 'tor', confidence: 'high' });
    expect(against(origin, 'tor')).toEqual([]);
  });

  it('without congestion control has one mark against it, which is shown.', () => {
    const origin = forged({ inner: { flowControl: undefined } });
    expect(origin).toMatchObject({ looksLike: 'tor', confidence: 'medium' });
    expect(against(origin, 'tor')).toEqual(['flow-control']);
  });
});

describe('A descriptor as Arti writes it', () => {
  it('is known by many marks.', () => {
    const origin = forged(artiForgery());
    expect(origin).toMatchObject({ looksLike: 'arti', confidence: 'high' });
    expect(against(origin, 'arti')).toEqual([]);
    expect(names(origin.marks)).toEqual(
      expect.arrayContaining(['lifetime', 'padding', 'proto', 'number of client lines']),
    );
  });

  it('with the padding of tor is still known, with less confidence, and the mark against it is shown.', () => {
    const { editPadded: _, ...rest } = artiForgery();
    const origin = forged(rest);
    expect(origin).toMatchObject({ looksLike: 'arti', confidence: 'medium' });
    expect(against(origin, 'arti')).toEqual(['padding']);
  });
});

describe('A descriptor of the Python world', () => {
  const now = Math.floor(Date.now() / 1000);
  const [period] = publishablePeriods(TOR_NETWORK, now);
  if (period === undefined) throw new Error('two periods are published at any time');
  const kpHsId = parseKpHsId(ed25519Pair('python').publicKey);
  const address = formatOnionAddress(kpHsId);
  const backend = forge({ label: 'backend of python', period, at: now, points: 3 });
  const run = spawnSync(PYTHON, [SCRIPT], {
    input: JSON.stringify({
      seed: toHex(noise('python', 32)),
      blinding: toHex(blindingParam(kpHsId, period)),
      runStart: srvRunStart(TOR_NETWORK, period),
      backend: [Buffer.from(backend.text).toString('latin1'), formatOnionAddress(backend.kpHsId)],
    }),
    encoding: 'utf8',
  });
  if (run.status !== 0) throw new Error(`install python3-stem and onionbalance: ${run.stderr}`);
  const made = JSON.parse(run.stdout) as { stem: string; onionbalance: string };

  it('made by Onionbalance is known by many marks.', () => {
    const report = inspectDescriptor(Buffer.from(made.onionbalance), { now, address });
    expect(report).toMatchObject({ exitCode: 0, client: { opened: 'address', points: { length: 3 } } });
    expect(report.origin).toMatchObject({ looksLike: 'stem', confidence: 'high' });
    expect(names(report.origin?.marks ?? [])).toEqual(
      expect.arrayContaining(['padding', 'end of the text', 'end of the inner layer', 'flow-control']),
    );
    const uploaded = inspectDescriptor(Buffer.from(`${made.onionbalance}\n`), { now, address }).origin;
    expect(uploaded).toMatchObject({ looksLike: 'stem', confidence: 'high' });
    expect(names(uploaded?.marks ?? [])).not.toContain('end of the text');
  });

  it('made by stem alone is known by its faults too.', () => {
    const { origin, findings } = inspectDescriptor(Buffer.from(made.stem), { now, address });
    expect(origin).toMatchObject({ looksLike: 'stem', confidence: 'high' });
    expect(names(origin?.marks ?? [])).toEqual(expect.arrayContaining(['revision counter', 'enc-key-cert']));
    expect(findings.map(({ part, code }) => `${part ?? ''} ${code}`)).toContain('enc-key-cert WRONG_KEY');
  });

  it('published in stem’s test data has one of its marks outside.', () => {
    const { text } = forge();
    expect(originOf(vector('stem-hidden_service_v3'), undefined).marks).toEqual(
      originOf(text, undefined).marks,
    );
  });
});

describe('A descriptor of nobody known', () => {
  it.each<[string, Forgery]>([
    ['a lifetime of its own', { editOuter: outer => outer.replace('lifetime 180', 'lifetime 100') }],
    ['lines of its own', { editOuter: outer => outer.replace('revision', 'x-line 1\nrevision') }],
  ])('has %s, which is shown as nobody’s.', (_, forgery) => {
    const { text } = forge(forgery);
    expect(originOf(text, undefined)).toMatchObject({ looksLike: 'unknown', confidence: 'none' });
    const origin = forged(forgery);
    expect(origin.looksLike).toBe('tor');
    expect(against(origin, 'tor')).toHaveLength(1);
  });

  it('is unknown when the marks speak for all and nobody.', () => {
    const { editPadded, editMiddle } = artiForgery();
    const mixed: Forgery = {
      ...(editPadded === undefined ? {} : { editPadded }),
      ...(editMiddle === undefined ? {} : { editMiddle }),
      editInner: inner => inner.slice(0, -1).replace('create2-formats 2\n', 'create2-formats 2\nx-line 1\n'),
      editOuter: outer => outer.replace('lifetime 180', 'lifetime 100'),
    };
    const origin = forged(mixed);
    expect(origin).toMatchObject({ looksLike: 'unknown', confidence: 'none' });
  });
});
