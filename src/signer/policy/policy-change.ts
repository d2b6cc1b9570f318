/** One change that `policy apply` would make. A loosening permits something that was denied before. */
export interface PolicyChange {
  readonly service: string;
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly loosens: boolean;
}

export const ABSENT = 'absent';
export const PRESENT = 'present';

export const change = (
  service: string,
  what: string,
  from: string,
  to: string,
  loosens: boolean,
): PolicyChange => ({ service, what, from, to, loosens });
