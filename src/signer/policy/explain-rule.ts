import { INVARIANTS } from '../../descriptor/index.ts';
import { SignerError } from '../contract/problems.ts';
import { type Enforcer, RULE_REFERENCE, type RuleRow, findRule } from './reference/index.ts';

const ENFORCERS: Record<Enforcer, string> = {
  policy: '`policy check` and `policy apply`',
  list: 'the keyholder, reading its list',
  core: 'the core, at each request',
  keyholder: 'the keyholder, at each order',
};

/** What `policy explain RULE` tells. */
export interface RuleExplanation extends Pick<RuleRow, 'id' | 'paragraph' | 'advice'> {
  readonly kind: 'rule';
  readonly heldBy: readonly string[];
  /** The key in a policy file, or why there is none. */
  readonly key: string;
  readonly default: string | undefined;
}

/** A rule by its id, in either case. SignerError NOT_FOUND. */
export function describeRule(id: string): RuleExplanation {
  const row = findRule(id.toUpperCase());
  if (row === undefined) {
    const known = RULE_REFERENCE.map(rule => rule.id).join(', ');
    throw new SignerError('NOT_FOUND', `name one of these rules: ${known}; or a file: NAME.yaml, NAME.json`);
  }
  const fixed = Object.values<string>(INVARIANTS).includes(row.id);
  return {
    kind: 'rule',
    id: row.id,
    paragraph: row.paragraph,
    heldBy: row.enforcers.map(each => ENFORCERS[each]),
    key: row.parameter ?? (fixed ? 'none: an invariant, which no policy changes' : 'none'),
    default: row.default,
    advice: row.advice,
  };
}

/** A rule for people, ending with a line feed. */
export function formatRule(rule: RuleExplanation): string {
  return [
    rule.id,
    rule.paragraph,
    `held by:         ${rule.heldBy.join('; ')}`,
    `key in policy:   ${rule.key}`,
    ...(rule.default === undefined ? [] : [`default:         ${rule.default}`]),
    `when it refuses: ${rule.advice}`,
    '',
  ].join('\n');
}
