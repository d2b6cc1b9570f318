/** What makers write about a token that nobody has tried with this program. */
export interface MakersWord {
  readonly token: string;
  /** For sealing. */
  readonly sealing: string;
  /** For period keys. */
  readonly ed25519: string;
  /** A page of the maker's, or a file of its module's source. */
  readonly sources: readonly string[];
}

export const MAKERS_WORDS: readonly MakersWord[] = [
  {
    token: 'YubiHSM 2',
    sealing: 'RSA-OAEP with SHA-1 to SHA-512; no AES-GCM',
    ed25519: 'CKM_EDDSA, curve by name only; messages of about 3 kB at most: no period keys',
    sources: ['https://github.com/Yubico/yubihsm-shell/blob/master/pkcs11/yubihsm_pkcs11.c'],
  },
  {
    token: 'YubiKey 5.7, PIV, by ykcs11',
    sealing: 'RSA-OAEP; no AES',
    ed25519: 'CKM_EDDSA, messages of about 3 kB at most: no period keys; slot 9c wants the PIN at each use',
    sources: ['https://developers.yubico.com/yubico-piv-tool/YKCS11/'],
  },
  {
    token: 'Nitrokey NetHSM',
    sealing: 'RSA-OAEP; no AES-GCM',
    ed25519: 'CKM_EDDSA, curve by OID only',
    sources: ['https://github.com/Nitrokey/nethsm-pkcs11'],
  },
  {
    token: 'Thales Luna 7',
    sealing: 'RSA-OAEP, AES-GCM (in FIPS mode with a nonce of its own)',
    ed25519: 'CKM_EDDSA outside FIPS mode, without a parameter or with an empty one',
    sources: ['https://thalesdocs.com/gphsm/luna/7/docs/network/Content/sdk/mechanisms/CKM_EDDSA.htm'],
  },
  {
    token: 'Entrust nShield',
    sealing: 'RSA-OAEP (both hashes of it the same), AES-GCM',
    ed25519: 'CKM_EDDSA in one call',
    sources: [
      'https://nshielddocs.entrust.com/security-world-docs/v13.5.1/api-pkcs11/mechanisms.html',
      'https://nshielddocs.entrust.com/security-world-docs/api-pkcs11/mech-annotations.html',
    ],
  },
  {
    token: 'AWS CloudHSM, Client SDK 5',
    sealing: 'RSA-OAEP, AES-GCM with a nonce of its own',
    ed25519: 'not listed',
    sources: ['https://docs.aws.amazon.com/cloudhsm/latest/userguide/pkcs11-mechanisms.html'],
  },
  {
    token: 'TPM 2.0, by tpm2-pkcs11',
    sealing: 'RSA-OAEP; no AES-GCM',
    ed25519: 'none: TPMs lack the curve',
    sources: ['https://github.com/tpm2-software/tpm2-pkcs11/issues/785'],
  },
];
