// What a token can carry, by what a probe of it found.

import { PROBE_LINE_IDS, PROBE_LINES, type ProbeLineId, type Tried } from './probe-lines.ts';

export type Tries = Readonly<Record<ProbeLineId, Tried>>;

/** One way in which a token could be used. */
export interface Custody {
  readonly custody: 'sealed by RSA-OAEP' | 'sealed by AES-GCM' | 'period_keys: token';
  readonly carried: boolean;
  /** How, or every reason why not; at least one when it is not carried. */
  readonly why: readonly string[];
}

/** What an operator should do with this token. */
export interface Advice {
  /** `--kind` of `token prepare`; undefined when envelopes cannot be sealed to it. */
  readonly prepare?: 'rsa' | 'aes';
  /** For signer.yaml. */
  readonly periodKeys: 'token' | 'keyholder';
}

/** In the order in which sealing tries them. */
const OAEP = ['oaep-sha256', 'oaep-sha1'] as const;
const TITLES = new Map(PROBE_LINES.map(({ id, title }) => [id, title]));

/** The three custodies, always in this order. */
export function judgeCustody(tries: Tries): Custody[] {
  const taken = OAEP.filter(id => tries[id].outcome === 'works');
  // One hash is enough.
  const oaep = taken.length > 0 ? taken.slice(0, 1) : OAEP;
  const eddsa = ['eddsa-14k', 'eddsa-28k', 'eddsa-50k'] as const;
  return [
    judge('sealed by RSA-OAEP', tries, ['rsa-key', 'rsa-held', ...oaep], taken),
    judge('sealed by AES-GCM', tries, ['aes-key', 'aes-held', 'aes-gcm', 'aes-gcm-refuses'], ['aes-gcm']),
    judge(
      'period_keys: token',
      tries,
      ['ed25519-key', 'ed25519-held', ...eddsa],
      ['ed25519-key', 'eddsa-50k'],
    ),
  ];
}

/** RSA before AES: its public half seals to a token that lies in a drawer. */
export function adviceOn(custodies: readonly Custody[]): Advice {
  const carries = (name: Custody['custody']): boolean =>
    custodies.some(({ custody, carried }) => carried && custody === name);
  const prepare = carries('sealed by RSA-OAEP') ? 'rsa' : carries('sealed by AES-GCM') ? 'aes' : undefined;
  return {
    ...(prepare === undefined ? {} : { prepare }),
    periodKeys: carries('period_keys: token') ? 'token' : 'keyholder',
  };
}

/** `how`: the lines whose details say how it would be carried. */
function judge(
  custody: Custody['custody'],
  tries: Tries,
  needed: readonly ProbeLineId[],
  how: readonly ProbeLineId[],
): Custody {
  const failed = needed.filter(id => tries[id].outcome !== 'works');
  // What a line needed says more than that it was not tried.
  const causes = failed.filter(id => tries[id].outcome !== 'untried');
  const shown = causes.length > 0 ? causes : failed.slice(0, 1);
  const why = shown.length > 0 ? shown.map(id => reasonOf(id, tries[id])) : how.map(id => tries[id].detail);
  return { custody, carried: failed.length === 0, why };
}

function reasonOf(id: ProbeLineId, { outcome, detail, ckr }: Tried): string {
  const more = [...(detail === '' ? [] : [detail]), ...(ckr === 0 ? [] : [`CKR 0x${ckr.toString(16)}`])];
  return `${TITLES.get(id) ?? id}: ${outcome}${more.length === 0 ? '' : ` (${more.join(', ')})`}`;
}

/** A record with one value for each line. */
export function forEachLine<T>(valueOf: (id: ProbeLineId) => T): Record<ProbeLineId, T> {
  const entries = PROBE_LINE_IDS.map(id => [id, valueOf(id)] as const);
  return Object.fromEntries(entries) as Record<ProbeLineId, T>;
}
