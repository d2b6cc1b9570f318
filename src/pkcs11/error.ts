/** What an invariant of the keyholder refused: which rule, what it saw, what it allows. Never a secret or an address. */
export interface CustodyDenial {
  readonly rule: string;
  readonly observed: string;
  readonly limit: string;
}

/** Every way in which custody can fail, with what to do next. Only codes cross a process boundary. */
const NEXT_STEP = {
  LOCKED_MEMORY:
    'memory cannot be locked; raise LimitMEMLOCK (ulimit -l), or accept swap: `locked_memory: swap-accepted` in signer.yaml',
  SECRET_WIPED: 'a secret was used after it was wiped; this is a defect, report it',
  CRYPTO: 'a primitive refused its input; this is a defect or an attack, report it',

  URI_SYNTAX: 'write the token as an RFC 7512 pkcs11: URI',
  MODULE_PATH: 'name the PKCS#11 module by an absolute module-path or by a module-name in a system folder',
  MODULE_LOAD: 'the PKCS#11 module does not load; check that it is installed and readable',
  TOKEN_NOT_FOUND: 'no token matches the URI; insert it or correct the URI',
  TOKEN_AMBIGUOUS: 'several tokens match the URI; add serial=',
  KEY_NOT_FOUND: 'the token has no key that matches; run token prepare or correct the URI',
  KEY_AMBIGUOUS: 'several keys on the token match; add object= or id= to the URI',
  KEY_EXISTS: 'the token has a key of this name already; use it, or give the new one another --label',
  KEY_LABEL: 'what carries this label is destroyed by probes or signers; give the key another --label',
  KEY_UNSUITABLE:
    'the key on the token is not a non-extractable key that may decrypt: RSA of 2048 to 4096 bits, or AES',
  TOKEN_UNSUITED:
    'the token does not make Ed25519 keys or does not sign 50 kB with them; set period_keys: keyholder',
  MECHANISM: 'the token refuses the mechanism; use a token with RSA-OAEP or AES-GCM',
  TEMPLATE: 'a PKCS#11 template or mechanism is malformed; this is a defect, report it',
  TOKEN_DEAD: 'the token or its module failed; check reader and token, then try again',
  TOKEN_TIMEOUT: 'the token did not answer in time and its process was killed; check the reader',
  TOKEN_PROTOCOL: 'the token process and its caller disagree on a message; install both from one release',

  PIN_INCORRECT: 'the PIN is wrong and was tried once; correct it before the next attempt',
  PIN_UNANSWERED:
    'the token gave no answer to this PIN, and may have counted it; check PIN and token with its own tool, then run pin forget',
  PIN_COUNT_LOW:
    'the token has counted a wrong PIN since the last right one, perhaps this one; type the right one with --pin tty',
  PIN_BOOK:
    'the file of PINs that commands tried is damaged or open to others; remove it with pin forget --commands',
  PIN_FINAL_TRY:
    'one attempt is left on the token and is not spent automatically; enter the PIN with its own tool',
  PIN_LOCKED: 'the PIN is locked; unlock the token with its administration tool',
  PIN_CHANGE: 'the token wants a new PIN first; set it with its administration tool',
  PIN_SOURCE: 'the PIN source cannot be used; a file must be regular, yours or root’s, mode 0400 or 0600',
  PIN_LITERAL: 'a PIN must not be written here; use file:/…, credential:NAME or tty',

  ENVELOPE_SYNTAX: 'the envelope is not a well-formed age v1 file of this program; restore it from backup',
  ENVELOPE_MAC: 'the header of the envelope was changed; restore the file from backup',
  ENVELOPE_PAYLOAD: 'the payload of the envelope was changed or cut; restore the file from backup',
  ENVELOPE_NO_RECIPIENT: 'the envelope names no recipient of this token; use the token that it was sealed to',
  ENVELOPE_UNWRAP: 'the token did not unwrap the envelope; use the token that it was sealed to',
  ENVELOPE_RECIPIENT:
    'recipients are pkcs11: URIs and age1… public keys, at most 16, each once, and one token at least',
  RECIPIENT_ABSENT:
    'an AES key has no public half: insert the token of this recipient too and name it in signer.yaml, or remove the recipient',
  RECIPIENT_UNKNOWN:
    'the envelope has no recipient of this name, or has one that it does not name; see key recipients list',
  PAPER_KEY:
    'the identity file must be yours or root’s, mode 0400 or 0600, with one AGE-SECRET-KEY-1… line as age-keygen writes it',
  PASSPHRASE:
    'a passphrase is one line, a new one of 16 to 255 bytes, from tty (twice the same) or file:/… of mode 0400 or 0600',
  PASSPHRASE_WRONG: 'the passphrase does not open this copy',
  IDENTITY_MISMATCH: 'the key inside is not the key of this service; nothing was signed',
  IDENTITY_FILE:
    'neither a hs_ed25519_secret_key of tor (96 bytes, type0) nor an Ed25519 key in PEM as Onionbalance keeps it',
  IDENTITY_ENCRYPTED:
    'the key file is encrypted; decrypt it with openssl pkey on this host, in memory (/dev/shm), and import that',
  IDENTITY_SOURCE: 'the key file must be a regular file, yours or root’s, without group or world access',

  PERIOD_REFUSED: 'a period outside the horizon was asked for; nothing was signed',
  PROFILE_REFUSED: 'the network profile is not one that tor can run',
  KEYHOLDER_REFUSED: 'an invariant of the keyholder forbids this',
  KEYHOLDER_FAULT: 'the keyholder met what it does not expect; this is a defect or an attack, report it',
  KEYHOLDER_LATCHED: 'a signature of this service did not verify; find out why, then restart the keyholder',
  SERVICE_FROZEN: 'nothing is signed for this service until `thaw`',
  PROCESS_EXPOSED:
    'others could look into this process; start it without inspector, preloaded modules, reports, heap snapshots, profiles and core files',
  KEYHOLDER_ARGUMENTS:
    'start it as [init [--recover [--fence SECOND]] | forget-pins] --state DIR --host-key SOURCE [--list FILE [--socket PATH]]',
  CLOCK_UNPROVEN:
    'the clock is far from the time that evidence proved; correct it, or have a backend’s descriptor sent',
  OPENING_LIMIT: 'this service was opened too often lately; wait, and see its last error in status',
  ENVELOPE_FILE:
    'the envelope is missing or not a regular file of yours or root’s that nobody else may write',
  PERIOD_UNPREPARED: 'no certificate for this period is here yet; see the last token error in status',
  KEYHOLDER_DEAD: 'the keyholder ended or cannot be reached; look at its log',
  KEYHOLDER_TIMEOUT: 'the keyholder did not answer in time',
  KEYHOLDER_BUSY:
    'too many requests wait in the keyholder; ask again, and look at the token when it stays so',

  FRAME_TOO_LARGE: 'a frame is longer than its channel allows; the peer is broken or hostile',
  FRAME_BAD: 'a frame is malformed; the peer is broken, hostile or of another release',

  LIST_SYNTAX: 'the service list is damaged; run policy apply again',
  LIST_BOUNDS: 'a value in the service list is out of bounds; correct the policy',
  LIST_ORDER: 'the service list is not in canonical order; run policy apply again',
  LIST_DUPLICATE: 'the service list names something twice; correct the policy',
  LIST_SERIAL: 'the service list is older than one already seen; run policy apply again',
  LIST_OWNER: 'the service list must be a regular file of root’s or yours that nobody else may write',
  LIST_BACKEND: 'a backend in the service list is one of our own services or serves two; correct the policy',

  LIST_CLIENT:
    'a client key in the service list is of low order, not canonical or there twice; correct the policy',

  LIST_MISSING: 'there is no service list; run policy apply',

  STATE_MISSING: 'the keyholder state is missing; run init or init --recover',
  STATE_OWNER: 'the keyholder state must belong to this user, without group or world access',
  STATE_SEALED:
    'the keyholder state was sealed with another host key: restore that one, or run init --recover and have the token at hand (one new signing key for each period)',
  STATE_CORRUPT: 'the keyholder state is damaged; run init --recover',
  STATE_VERSION: 'the keyholder state is of another release; use that release, or run init --recover',
  STATE_WRITE: 'the keyholder state cannot be written; check the disk',
  STATE_FULL: 'the keyholder’s marks have used their space; lower the limits of policy or wait',
  STATE_ROLLBACK: 'the keyholder state is older than one already seen; run init --recover',
  STATE_EXISTS: 'there is a keyholder state already; run init --recover to put it aside',
  STATE_LOCKED: 'another keyholder uses this state; stop it first',
  HOST_KEY:
    'the host key is missing or unfit; it is a file of yours with mode 0400 or a systemd credential: restore it, or run init --recover with another one and have the token at hand (one new signing key for each period)',
} as const;

/** Closed set of codes of `CustodyError`. */
export type CustodyErrorCode = keyof typeof NEXT_STEP;

export const CUSTODY_ERROR_CODES = Object.freeze(Object.keys(NEXT_STEP)) as readonly CustodyErrorCode[];

/**
 * Any failure of token, PIN, envelope, keyholder or the frames between them.
 * `message` is the code's next step, with an optional public detail; decide by `code` only.
 */
export class CustodyError extends Error {
  readonly code: CustodyErrorCode;
  readonly denial?: CustodyDenial;
  /** Return value of the PKCS#11 call that failed (CKR_…), for people. */
  readonly ckr?: number;

  constructor(
    code: CustodyErrorCode,
    detail?: string,
    options: { readonly cause?: unknown; readonly denial?: CustodyDenial; readonly ckr?: number } = {},
  ) {
    super(detail === undefined ? NEXT_STEP[code] : `${detail}: ${NEXT_STEP[code]}`, { cause: options.cause });
    this.name = 'CustodyError';
    this.code = code;
    if (options.denial !== undefined) this.denial = options.denial;
    if (options.ckr !== undefined) this.ckr = options.ckr;
  }
}

/** Text from another process → code; undefined when it is none of ours. */
export function parseCustodyErrorCode(text: string): CustodyErrorCode | undefined {
  return CUSTODY_ERROR_CODES.find(code => code === text);
}

/** Anything thrown → CustodyError: ours as it is, the rest under `code` with the cause kept. */
export function toCustodyError(thrown: unknown, code: CustodyErrorCode): CustodyError {
  return thrown instanceof CustodyError ? thrown : new CustodyError(code, undefined, { cause: thrown });
}
