import { wrapBase64 } from '../../src/descriptor/bytes.ts';
import { assembleCert } from '../../src/descriptor/ed25519-cert.ts';
import type { CertifiedIntroductionPoint, TimePeriod } from '../../src/descriptor/index.ts';
import { type Forgery, ed25519Pair, identity, makePoint } from '../descriptor/forge.ts';

/** What a reader makes of a text: `taken`, or where and how it refuses. */
export type Verdict = string;

/** For what a case is forged. */
export interface Context {
  readonly label: string;
  readonly period: TimePeriod;
  /** Unix seconds. */
  readonly at: number;
}

/** One way to write a descriptor, and who reads it. */
export interface StrictnessCase {
  readonly what: string;
  readonly forgery: (context: Context) => Forgery;
  /** `taken`, `upload: …` for directories, `fetch: …` for clients. */
  readonly tor: Verdict;
  /** `taken` or the code of `openDescriptor`. */
  readonly ours: Verdict;
}

type Replacer = (found: string) => string;

const edit = (pattern: string | RegExp, by: string | Replacer) => (text: string) => {
  const edited = typeof by === 'string' ? text.replace(pattern, by) : text.replace(pattern, by);
  if (edited === text) throw new Error(`nothing to edit: ${String(pattern)}`);
  return edited;
};
const outer = (pattern: string | RegExp, by: string | Replacer) => () => ({ editOuter: edit(pattern, by) });
const middle = (pattern: string | RegExp, by: string | Replacer) => () => ({ editMiddle: edit(pattern, by) });
const inner = (pattern: string | RegExp, by: string | Replacer) => () => ({ editInner: edit(pattern, by) });

/** All base64 lines of the last object in one. */
const inOneLine = (text: string): string =>
  text.replace(/(?<=-----BEGIN MESSAGE-----\n)[^-]+(?=-----END)/u, body => `${body.replaceAll('\n', '')}\n`);

const judged = (
  what: string,
  tor: Verdict,
  ours: Verdict,
  forgery: StrictnessCase['forgery'],
): StrictnessCase => ({ what, tor, ours, forgery });

/** Every row was judged by tor and by us; docs/fidelity.md has the reasons. */
export const STRICTNESS: readonly StrictnessCase[] = [
  judged('nothing changed', 'taken', 'taken', () => ({})),
  judged('lifetime 0', 'taken', 'BAD_INTEGER', outer('lifetime 180', 'lifetime 0')),
  judged('lifetime 29', 'taken', 'BAD_INTEGER', outer('lifetime 180', 'lifetime 29')),
  judged('lifetime 30', 'taken', 'taken', outer('lifetime 180', 'lifetime 30')),
  judged('lifetime 720', 'taken', 'taken', outer('lifetime 180', 'lifetime 720')),
  judged('lifetime 721', 'upload: 554', 'BAD_INTEGER', outer('lifetime 180', 'lifetime 721')),
  judged('a number with a leading zero', 'taken', 'BAD_INTEGER', outer('lifetime 180', 'lifetime 0180')),
  judged('a number with a plus sign', 'taken', 'BAD_INTEGER', outer('lifetime 180', 'lifetime +180')),
  judged('two spaces after a keyword', 'taken', 'taken', outer('lifetime 180', 'lifetime  180')),
  judged('a tab after a keyword', 'taken', 'BAD_SYNTAX', outer('lifetime 180', 'lifetime\t180')),
  judged('a space at the end of a line', 'taken', 'taken', outer('lifetime 180', 'lifetime 180 ')),
  judged('one argument too many', 'upload: 554', 'BAD_SYNTAX', outer('lifetime 180', 'lifetime 180 x')),
  judged(
    'the legacy prefix `opt`',
    'taken',
    'BAD_SYNTAX',
    outer('descriptor-lifetime', 'opt descriptor-lifetime'),
  ),
  judged('an empty line', 'taken', 'BAD_SYNTAX', outer('descriptor-lifetime', '\ndescriptor-lifetime')),
  judged('an unknown line', 'taken', 'taken', outer('descriptor-lifetime', 'unknown 1\ndescriptor-lifetime')),
  judged(
    'lines in another order',
    'taken',
    'taken',
    outer(/(descriptor-lifetime 180\n)([^]*?)(?=revision)/u, '$2$1'),
  ),
  judged(
    'a line twice',
    'upload: 554',
    'DUPLICATE_ITEM',
    outer('descriptor-lifetime 180\n', 'descriptor-lifetime 180\n'.repeat(2)),
  ),
  judged('base64 of an object in one line', 'taken', 'BAD_SYNTAX', () => ({ editOuter: inOneLine })),
  judged(
    'set bits behind the last byte of base64',
    'taken',
    'BAD_BASE64',
    outer(/[AQgw](?===\n-----END MESSAGE)/u, digit => String.fromCharCode(digit.charCodeAt(0) + 1)),
  ),
  judged('the largest counter, 2^64−1', 'taken', 'taken', () => ({ counter: 2n ** 64n - 1n })),
  judged('certificate 08 good for 90 days', 'taken', 'taken', ({ at }) => ({
    expiryHours: Math.floor(at / 3600) + 90 * 24,
  })),
  judged('certificate 08 expired', 'upload: 554', 'CERT_EXPIRED', ({ at }) => ({
    expiryHours: Math.floor(at / 3600),
  })),
  judged('padding of other bytes behind the first NUL', 'taken', 'BAD_LAYER', () => ({
    editPadded: padded => padded.with(padded.length - 1, 1),
  })),
  judged('no padding', 'taken', 'taken', () => ({
    editPadded: padded => padded.subarray(0, padded.indexOf(0)),
  })),
  judged('LF after the last END of the middle layer', 'taken', 'taken', middle(/$/u, '\n')),
  judged('one client line', 'taken', 'taken', middle(/(auth-client .*\n)+/u, '$1')),
  judged('no client line', 'fetch: BAD_DESC', 'MISSING_ITEM', middle(/(auth-client .*\n)+/u, '')),
  judged('`caa-critical`', 'taken', 'taken', middle('encrypted\n', 'caa-critical\nencrypted\n')),
  judged(
    'an ephemeral key of zeros',
    'taken',
    'BAD_KEY',
    middle(/(?<=ephemeral-key ).*/u, Buffer.alloc(32).toString('base64')),
  ),
  judged('no introduction point', 'taken', 'taken', inner(/introduction-point[^]*/u, '')),
  judged('20 introduction points', 'taken', 'taken', () => ({ points: 20 })),
  judged('21 introduction points', 'fetch: BAD_DESC', 'POINT_COUNT', () => ({
    points: 20,
    editInner: text => text + text.slice(text.lastIndexOf('introduction-point')),
  })),
  judged('no `create2-formats`', 'fetch: BAD_DESC', 'MISSING_ITEM', inner('create2-formats 2\n', '')),
  judged(
    '`create2-formats` without 2',
    'fetch: BAD_DESC',
    'BAD_LAYER',
    inner('create2-formats 2', 'create2-formats 3'),
  ),
  judged(
    '`create2-formats` not first',
    'fetch: BAD_DESC',
    'BAD_SYNTAX',
    inner('create2-formats 2\n', 'single-onion-service\ncreate2-formats 2\n'),
  ),
  judged('sendme_inc that is not the network’s', 'fetch: BAD_DESC', 'taken', () => ({
    inner: { flowControl: { versions: '1-2', sendmeInc: 99 } },
  })),
  judged(
    'an unknown kind of intro-auth-required',
    'fetch: BAD_DESC',
    'BAD_LAYER',
    inner('flow-control', 'intro-auth-required x\nflow-control'),
  ),
  judged('`caa`', 'taken', 'taken', inner('flow-control', 'caa 128 issue "test.example"\nflow-control')),
  judged(
    '`pow-params v1` twice',
    'fetch: BAD_DESC',
    'DUPLICATE_ITEM',
    inner(
      'flow-control',
      `${`pow-params v1 ${Buffer.alloc(32, 1).toString('base64')} 1 2100-01-01T00:00:00\n`.repeat(2)}flow-control`,
    ),
  ),
  judged(
    'a head keyword inside a section',
    'taken',
    'BAD_SYNTAX',
    inner(/\nonion-key/u, '\nsingle-onion-service\nonion-key'),
  ),
  judged('the last LF of the inner layer missing', 'taken', 'taken', inner(/\n$/u, '')),
  judged(
    'a key of an introduction point without padding',
    'taken',
    'taken',
    inner(/(?<=onion-key ntor .{43})=/u, ''),
  ),
  judged('the certificate of an enc-key over another key', 'taken', 'WRONG_KEY', context => ({
    editPoint: (point, index) =>
      index > 0 ? point : { ...point, encKeyCert: pointAgain(context, 'other', 50).encKeyCert },
  })),
  judged('one point’s certificates expired', 'taken', 'CERT_EXPIRED', context => ({
    editPoint: (point, index) => (index > 0 ? point : pointAgain(context, '0', -1)),
  })),
  judged('one point’s certificates by another key', 'taken', 'WRONG_KEY', ({ at }) => ({
    editPoint: (point, index) =>
      index > 0 ? point : makePoint('p', ed25519Pair('stranger'), hourOf(at) + 50),
  })),
  judged('all certificates by another key', 'taken', 'WRONG_KEY', ({ at }) => ({
    editPoint: (_, index) => makePoint(`p${index}`, ed25519Pair('stranger'), hourOf(at) + 50),
  })),
  judged('certificate 08 for a key of type 2', 'taken', 'BAD_CERT', keyType2),
];

const hourOf = (at: number): number => Math.floor(at / 3600);

/** A point under the descriptor signing key of the forgery, its certificates good for so many hours. */
function pointAgain({ label, period, at }: Context, name: string, hours: number): CertifiedIntroductionPoint {
  const signer = ed25519Pair(`${label} descriptor signing ${period.periodNum}`);
  return makePoint(`${label} point ${name}`, signer, hourOf(at) + hours);
}

/** The certificate of the forgery with another type of certified key, signed again. */
function keyType2({ label, period }: Context): Forgery {
  const at = 6;
  return {
    editOuter: text =>
      text.replace(/(?<=BEGIN ED25519 CERT-----\n)[^-]+(?=-----END)/u, body => {
        const cert = Buffer.from(body, 'base64');
        const changed = cert.subarray(0, 76).with(at, 2);
        return wrapBase64(assembleCert(changed, identity(label).signBlinded(period, changed)));
      }),
  };
}
