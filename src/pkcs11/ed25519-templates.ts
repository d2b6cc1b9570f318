// An Ed25519 key pair on a token: what it is asked for, and where its public half is read.

import {
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_PRIVATE,
  CKA_PUBLIC_KEY_INFO,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKA_VERIFY,
  CKK_EC_EDWARDS,
  decodeEcPoint,
  decodePublicKeyInfo,
} from './eddsa-constants.ts';
import {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
} from './pkcs11-constants.ts';
import type { ObjectTemplate } from './pkcs11js.ts';
import type { TokenCalls } from './writing-session.ts';

/**
 * For a pair that stays on the token and cannot leave it. Some tokens refuse a public half that is called private or
 * sensitive, so nothing is said about either.
 */
export function ed25519Templates(
  { id, label }: { readonly id: Buffer; readonly label: Buffer },
  spelling: Buffer,
): readonly [publicTemplate: ObjectTemplate, privateTemplate: ObjectTemplate] {
  const common: ObjectTemplate = [
    [CKA_KEY_TYPE, CKK_EC_EDWARDS],
    [CKA_TOKEN, true],
    [CKA_ID, id],
    [CKA_LABEL, label],
  ];
  return [
    [[CKA_CLASS, CKO_PUBLIC_KEY], ...common, [CKA_VERIFY, true], [CKA_EC_PARAMS, spelling]],
    [
      [CKA_CLASS, CKO_PRIVATE_KEY],
      ...common,
      [CKA_PRIVATE, true],
      [CKA_SENSITIVE, true],
      [CKA_EXTRACTABLE, false],
      [CKA_SIGN, true],
    ],
  ];
}

/** The 32 bytes of a public half and the form in which the token gives them; undefined when it gives none that we know. */
export function readEd25519Point(
  session: Pick<TokenCalls, 'attribute'>,
  publicKey: Buffer,
): { readonly bytes: Buffer; readonly form: string } | undefined {
  const point = session.attribute(publicKey, CKA_EC_POINT);
  const bytes = point === undefined ? undefined : decodeEcPoint(point);
  if (point !== undefined && bytes !== undefined) return { bytes, form: FORMS.get(point.length) ?? 'raw' };
  const info = session.attribute(publicKey, CKA_PUBLIC_KEY_INFO);
  const inside = info === undefined ? undefined : decodePublicKeyInfo(info);
  return inside === undefined ? undefined : { bytes: inside, form: 'CKA_PUBLIC_KEY_INFO' };
}

const FORMS: ReadonlyMap<number, string> = new Map([
  [32, 'raw'],
  [34, 'OCTET STRING'],
  [35, 'BIT STRING'],
]);
