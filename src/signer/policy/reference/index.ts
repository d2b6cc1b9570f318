import { LIST_ROWS } from './list-rows.ts';
import { PROOF_ROWS } from './proof-rows.ts';
import { REQUEST_ROWS } from './request-rows.ts';
import type { RuleRow } from './row.ts';

export type { Enforcer, NamedTest, RuleRow } from './row.ts';

/** Every rule that refuses a request or a policy: who asks, what a text holds and when, what a policy may not say. */
export const RULE_REFERENCE: readonly RuleRow[] = Object.freeze([
  ...REQUEST_ROWS,
  ...PROOF_ROWS,
  ...LIST_ROWS,
]);

/** The row with this id, or undefined. */
export function findRule(id: string): RuleRow | undefined {
  return RULE_REFERENCE.find(row => row.id === id);
}
