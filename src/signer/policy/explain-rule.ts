import { INVARIANTS } from '../../descriptor/index.ts';
import { SignerError } from '../contract/problems.ts';
import { type Enforcer, RULE_REFERENCE, findRule } from './reference/index.ts';

const ENFORCERS: Record<Enforcer, string> = {
  policy: '`policy check` and `policy apply`',
  list: 'the keyholder, reading its list',
  core: 'the core, at each request',
  keyholder: 'the keyholder, at each order',
};

/** A rule for people, ending with a line feed; `id` in either case. SignerError NOT_FOUND. */
export function explainRule(id: string): string {
  const row = findRule(id.toUpperCase());
  if (row === undefined) {
    const known = RULE_REFERENCE.map(rule => rule.id).join(', ');
    throw new SignerError('NOT_FOUND', `name one of these rules: ${known}`);
  }
  const fixed = Object.values<string>(INVARIANTS).includes(row.id);
  const parameter = row.parameter ?? (fixed ? 'none: an invariant, which no policy changes' : 'none');
  return [
    row.id,
    row.paragraph,
    `held by:         ${row.enforcers.map(each => ENFORCERS[each]).join('; ')}`,
    `key in policy:   ${parameter}`,
    ...(row.default === undefined ? [] : [`default:         ${row.default}`]),
    `when it refuses: ${row.advice}`,
    '',
  ].join('\n');
}
