/** Numbers of PKCS#11 3.0 for Ed25519 keys, from the OASIS header. */

export const CKK_EC_EDWARDS = 0x40;
export const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;
export const CKM_EDDSA = 0x1057;

export const CKA_TOKEN = 0x1;
export const CKA_PRIVATE = 0x2;
export const CKA_SENSITIVE = 0x103;
export const CKA_SIGN = 0x108;
export const CKA_VERIFY = 0x10a;
export const CKA_PUBLIC_KEY_INFO = 0x129;
export const CKA_LOCAL = 0x163;
export const CKA_ALWAYS_SENSITIVE = 0x165;
export const CKA_EC_PARAMS = 0x180;
export const CKA_EC_POINT = 0x181;

/** The curve as tokens want it spelled: by its name, by the OID of RFC 8410, by that of GnuPG. Tried in this order. */
export const ED25519_SPELLINGS: readonly Buffer[] = [
  Buffer.from(`130c${Buffer.from('edwards25519').toString('hex')}`, 'hex'),
  Buffer.from('06032b6570', 'hex'),
  Buffer.from('06092b06010401da470f01', 'hex'),
];

/** What tokens answer to a spelling that they do not know: try the next one. */
export const SPELLING_REFUSED: ReadonlySet<number> = new Set([
  0x5, // general error
  0x7, // arguments bad
  0x13, // attribute value invalid
  0x71, // mechanism parameter invalid
  0xd1, // template inconsistent
  0x130, // domain parameters invalid
  0x140, // curve not supported
]);

/** What tokens answer when they insist on a parameter for CKM_EDDSA. */
export const PARAMETER_WANTED: ReadonlySet<number> = new Set([0x7, 0x71]);
/** CK_EDDSA_PARAMS of pure Ed25519 on a 64-bit machine: no prehash, an empty context. */
export const PURE_ED25519 = Buffer.alloc(24);

/** How CKA_PUBLIC_KEY_INFO begins for an Ed25519 key; 32 bytes follow. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** CKA_EC_POINT → 32 bytes: raw, in an OCTET STRING, in a BIT STRING; undefined for anything else. */
export function decodeEcPoint(value: Buffer): Buffer | undefined {
  if (value.length === 32) return value;
  if (value.length === 34 && value[0] === 0x04 && value[1] === 0x20) return value.subarray(2);
  if (value.length === 35 && value.subarray(0, 3).equals(Buffer.of(0x03, 0x21, 0x00)))
    return value.subarray(3);
  return undefined;
}

/** CKA_PUBLIC_KEY_INFO → 32 bytes; undefined for anything else. */
export function decodePublicKeyInfo(value: Buffer): Buffer | undefined {
  const fits = value.length === SPKI_PREFIX.length + 32 && value.subarray(0, 12).equals(SPKI_PREFIX);
  return fits ? value.subarray(12) : undefined;
}
