import { CustodyError, parseCustodyErrorCode } from '../../pkcs11/error.ts';
import { NO_PUBLISHER } from '../contract/problems.ts';
import type { BreakerStatus, ServiceStatus, StatusAnswer, TokenStatus } from '../contract/requests.ts';

/** What to do next about a code of custody; '' for a code of another kind. */
export function nextStep(code: string): string {
  const known = parseCustodyErrorCode(code);
  return known === undefined ? '' : new CustodyError(known).message;
}

/** Unix seconds for people. */
export const at = (seconds: number): string =>
  `${new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The last failure of custody, with what to do next. */
export function problemLines({ code, state }: ServiceStatus): string[] {
  if (code === undefined) return [];
  if (code === 'FENCED')
    return ['  problem   FENCED: the keyholder has not raised the fence yet; nothing is signed before'];
  if (code === NO_PUBLISHER)
    return [
      `  problem   ${code}: every publisher of it is evicted; name another one in policy, or \`readmit\``,
    ];
  const next = nextStep(code);
  const line = `  problem   ${code}${next === '' ? '' : `: ${next}`}`;
  return state === 'degraded'
    ? [line, '            half of `ahead` is gone: act before its keys end']
    : [line];
}

/** Which token certified last. */
export const openedLines = ({ opened }: ServiceStatus): string[] =>
  opened === undefined ? [] : [`  opened    ${at(opened.at)} by ${opened.by}`];

/** The tokens of the list and the breaker over them. */
export function custodyLines({ tokens = [], breaker }: StatusAnswer): string[] {
  const lines = tokens.map((token, i) => (i === 0 ? 'tokens' : '').padEnd(12) + tokenText(token));
  return breaker === undefined ? lines : [...lines, `breaker     ${breakerText(breaker)}`];
}

function tokenText({ token, openedAt, seenAt, code, since, strangerTo }: TokenStatus): string {
  const seen = seenAt === undefined ? 'not asked yet' : `there ${at(seenAt)}`;
  const opened = openedAt === undefined ? '' : `, opened last ${at(openedAt)}`;
  const state =
    code === undefined ? `${seen}${opened}` : `${code} since ${at(since ?? 0)}${opened}: ${nextStep(code)}`;
  const strange = strangerTo.length === 0 ? '' : ` · no recipient of ${strangerTo.join(', ')}`;
  return `${token}   ${state}${strange}`;
}

function breakerText({ state, since, nextTry, code }: BreakerStatus): string {
  if (state === 'closed') return 'closed: tokens are asked as they are needed';
  const next = nextTry === undefined ? 'tried again after what it says' : `next try ${at(nextTry)}`;
  return `OPEN since ${at(since ?? 0)}: ${code ?? ''}, ${next}`;
}
