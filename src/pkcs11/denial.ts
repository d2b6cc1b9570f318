import { CustodyError, type CustodyDenial } from './error.ts';

/** The error of a refusal: rule, what was seen, what would have been let through. No key, address or secret. */
export function refuse(rule: string, observed: string, limit: string, cause?: unknown): CustodyError {
  return new CustodyError('KEYHOLDER_REFUSED', rule, { cause, denial: { rule, observed, limit } });
}

/** Throws KEYHOLDER_REFUSED when a check found something. */
export function refuseIf(denial: CustodyDenial | undefined): void {
  if (denial !== undefined) throw refuse(denial.rule, denial.observed, denial.limit);
}
