import { AUTH_CLIENT_MULTIPLE, type CaaRecord, MAX_MIDDLE_LENGTH } from '../../descriptor/index.ts';
import { formatCaa } from './read-access.ts';

/** `auth-client` with its three fields in base64. */
const CLIENT_LINE = 70;
/** Everything else in the middle layer: type, ephemeral key, `caa-critical`, the frame of the message, salt and MAC. */
const MIDDLE_HEAD = 240;
/** `create2-formats`, `single-onion-service`, `flow-control`. */
const INNER_HEAD = 80;
/** One section with link specifiers for both kinds of address. */
const POINT = 770;
/** Base64 in lines of 64. */
const ARMOUR = (4 / 3) * (65 / 64);

/**
 * How many introduction points a descriptor has room for beside so many clients and these CAA lines, at least; 20 where
 * there is room for more. The bound of `assembleDescriptor`, known before anything is signed.
 */
export function roomForPoints(clients: number, caa: readonly CaaRecord[]): number {
  const lines = Math.max(1, Math.ceil(clients / AUTH_CLIENT_MULTIPLE)) * AUTH_CLIENT_MULTIPLE;
  const caaLength = caa.reduce((sum, record) => sum + `caa ${formatCaa(record)}\n`.length, 0);
  const inner = (MAX_MIDDLE_LENGTH - MIDDLE_HEAD - lines * CLIENT_LINE) / ARMOUR;
  return Math.min(20, Math.floor((inner - INNER_HEAD - caaLength) / POINT));
}
