import { Type } from 'typebox';
import { NAME_PATTERN } from '../contract/name.ts';

/** What the fields of entries may hold. */

export const closed = { additionalProperties: false } as const;
export const unixSeconds = () => Type.Integer({ minimum: 0, maximum: 2 ** 40 });
export const index = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const digest = () => Type.String({ pattern: '^[0-9a-f]{64}$' });
export const name = () => Type.String({ pattern: NAME_PATTERN, maxLength: 63 });
export const origin = () => Type.String({ pattern: '^[!-*,-~]{1,255}$' });
export const printable = (maxLength: number) => Type.String({ maxLength, pattern: '^[ -~]*$' });
