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

export const STRICTNESS: readonly StrictnessCase[] = [
  { what: 'nothing changed', forgery: () => ({}), tor: 'taken', ours: 'taken' },
  { what: 'lifetime 0', forgery: outer('lifetime 180', 'lifetime 0'), tor: 'taken', ours: 'BAD_INTEGER' },
  { what: 'lifetime 29', forgery: outer('lifetime 180', 'lifetime 29'), tor: 'taken', ours: 'BAD_INTEGER' },
  { what: 'lifetime 30', forgery: outer('lifetime 180', 'lifetime 30'), tor: 'taken', ours: 'taken' },
  { what: 'lifetime 720', forgery: outer('lifetime 180', 'lifetime 720'), tor: 'taken', ours: 'taken' },
  {
    what: 'lifetime 721',
    forgery: outer('lifetime 180', 'lifetime 721'),
    tor: 'upload: 554',
    ours: 'BAD_INTEGER',
  },
  {
    what: 'a number with a leading zero',
    forgery: outer('lifetime 180', 'lifetime 0180'),
    tor: 'taken',
    ours: 'BAD_INTEGER',
  },
  {
    what: 'a number with a plus sign',
    forgery: outer('lifetime 180', 'lifetime +180'),
    tor: 'taken',
    ours: 'BAD_INTEGER',
  },
  {
    what: 'two spaces after a keyword',
    forgery: outer('lifetime 180', 'lifetime  180'),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'a tab after a keyword',
    forgery: outer('lifetime 180', 'lifetime\t180'),
    tor: 'taken',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'a space at the end of a line',
    forgery: outer('lifetime 180', 'lifetime 180 '),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'one argument too many',
    forgery: outer('lifetime 180', 'lifetime 180 x'),
    tor: 'upload: 554',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'the legacy prefix `opt`',
    forgery: outer('descriptor-lifetime', 'opt descriptor-lifetime'),
    tor: 'taken',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'an empty line',
    forgery: outer('descriptor-lifetime', '\ndescriptor-lifetime'),
    tor: 'taken',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'an unknown line',
    forgery: outer('descriptor-lifetime', 'unknown 1\ndescriptor-lifetime'),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'lines in another order',
    forgery: outer(/(descriptor-lifetime 180\n)([^]*?)(?=revision)/u, '$2$1'),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'a line twice',
    forgery: outer('descriptor-lifetime 180\n', 'descriptor-lifetime 180\n'.repeat(2)),
    tor: 'upload: 554',
    ours: 'DUPLICATE_ITEM',
  },
  {
    what: 'base64 of an object in one line',
    forgery: () => ({ editOuter: inOneLine }),
    tor: 'taken',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'set bits behind the last byte of base64',
    forgery: outer(/[AQgw](?===\n-----END MESSAGE)/u, digit => String.fromCharCode(digit.charCodeAt(0) + 1)),
    tor: 'taken',
    ours: 'BAD_BASE64',
  },
  {
    what: 'the largest counter, 2^64−1',
    forgery: () => ({ counter: 2n ** 64n - 1n }),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'certificate 08 good for 90 days',
    forgery: ({ at }) => ({ expiryHours: Math.floor(at / 3600) + 90 * 24 }),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'certificate 08 expired',
    forgery: ({ at }) => ({ expiryHours: Math.floor(at / 3600) }),
    tor: 'upload: 554',
    ours: 'CERT_EXPIRED',
  },
  {
    what: 'padding of other bytes behind the first NUL',
    forgery: () => ({ editPadded: padded => padded.with(padded.length - 1, 1) }),
    tor: 'taken',
    ours: 'BAD_LAYER',
  },
  {
    what: 'no padding',
    forgery: () => ({ editPadded: padded => padded.subarray(0, padded.indexOf(0)) }),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'LF after the last END of the middle layer',
    forgery: middle(/$/u, '\n'),
    tor: 'taken',
    ours: 'taken',
  },
  { what: 'one client line', forgery: middle(/(auth-client .*\n)+/u, '$1'), tor: 'taken', ours: 'taken' },
  {
    what: 'no client line',
    forgery: middle(/(auth-client .*\n)+/u, ''),
    tor: 'fetch: BAD_DESC',
    ours: 'MISSING_ITEM',
  },
  {
    what: '`caa-critical`',
    forgery: middle('encrypted\n', 'caa-critical\nencrypted\n'),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'an ephemeral key of zeros',
    forgery: middle(/(?<=ephemeral-key ).*/u, Buffer.alloc(32).toString('base64')),
    tor: 'taken',
    ours: 'BAD_KEY',
  },
  {
    what: 'no introduction point',
    forgery: inner(/introduction-point[^]*/u, ''),
    tor: 'taken',
    ours: 'taken',
  },
  { what: '20 introduction points', forgery: () => ({ points: 20 }), tor: 'taken', ours: 'taken' },
  {
    what: '21 introduction points',
    forgery: () => ({
      points: 20,
      editInner: text => text + text.slice(text.lastIndexOf('introduction-point')),
    }),
    tor: 'fetch: BAD_DESC',
    ours: 'POINT_COUNT',
  },
  {
    what: 'no `create2-formats`',
    forgery: inner('create2-formats 2\n', ''),
    tor: 'fetch: BAD_DESC',
    ours: 'MISSING_ITEM',
  },
  {
    what: '`create2-formats` without 2',
    forgery: inner('create2-formats 2', 'create2-formats 3'),
    tor: 'fetch: BAD_DESC',
    ours: 'BAD_LAYER',
  },
  {
    what: '`create2-formats` not first',
    forgery: inner('create2-formats 2\n', 'single-onion-service\ncreate2-formats 2\n'),
    tor: 'fetch: BAD_DESC',
    ours: 'BAD_SYNTAX',
  },
  {
    what: 'sendme_inc that is not the network’s',
    forgery: () => ({ inner: { flowControl: { versions: '1-2', sendmeInc: 99 } } }),
    tor: 'fetch: BAD_DESC',
    ours: 'taken',
  },
  {
    what: 'an unknown kind of intro-auth-required',
    forgery: inner('flow-control', 'intro-auth-required x\nflow-control'),
    tor: 'fetch: BAD_DESC',
    ours: 'BAD_LAYER',
  },
  {
    what: '`caa`',
    forgery: inner('flow-control', 'caa 128 issue "test.example"\nflow-control'),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: '`pow-params v1` twice',
    forgery: inner(
      'flow-control',
      `${`pow-params v1 ${Buffer.alloc(32, 1).toString('base64')} 1 2100-01-01T00:00:00\n`.repeat(2)}flow-control`,
    ),
    tor: 'fetch: BAD_DESC',
    ours: 'DUPLICATE_ITEM',
  },
  {
    what: 'a head keyword inside a section',
    forgery: inner(/\nonion-key/u, '\nsingle-onion-service\nonion-key'),
    tor: 'taken',
    ours: 'BAD_SYNTAX',
  },
  { what: 'the last LF of the inner layer missing', forgery: inner(/\n$/u, ''), tor: 'taken', ours: 'taken' },
  {
    what: 'a key of an introduction point without padding',
    forgery: inner(/(?<=onion-key ntor .{43})=/u, ''),
    tor: 'taken',
    ours: 'taken',
  },
  {
    what: 'the certificate of an enc-key over another key',
    forgery: context => ({
      editPoint: (point, index) =>
        index > 0 ? point : { ...point, encKeyCert: pointAgain(context, 'other', 50).encKeyCert },
    }),
    tor: 'taken',
    ours: 'WRONG_KEY',
  },
  {
    what: 'one point’s certificates expired',
    forgery: context => ({ editPoint: (point, index) => (index > 0 ? point : pointAgain(context, '0', -1)) }),
    tor: 'taken',
    ours: 'CERT_EXPIRED',
  },
  {
    what: 'one point’s certificates by another key',
    forgery: ({ at }) => ({
      editPoint: (point, index) =>
        index > 0 ? point : makePoint('p', ed25519Pair('stranger'), hourOf(at) + 50),
    }),
    tor: 'taken',
    ours: 'WRONG_KEY',
  },
  {
    what: 'all certificates by another key',
    forgery: ({ at }) => ({
      editPoint: (_, index) => makePoint(`p${index}`, ed25519Pair('stranger'), hourOf(at) + 50),
    }),
    tor: 'taken',
    ours: 'WRONG_KEY',
  },
  { what: 'certificate 08 for a key of type 2', forgery: keyType2, tor: 'taken', ours: 'BAD_CERT' },
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
