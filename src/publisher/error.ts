const NEXT_STEP = {
  STATE_DIRECTORY: 'it must be a folder or file of this user that nobody else may write',
  STATE_CORRUPT: 'it is damaged; move it away, the publisher starts it anew',
  STATE_VERSION: 'it is of another release; use that release, or move it away: the publisher starts it anew',
  STATE_MISSING: 'there is no state yet; start onion-publisher run',
  STATE_LOCKED: 'another onion-publisher uses this state folder; stop it first',
  STOPPED: 'the publisher was told to stop',
  CONSENSUS_SYNTAX: 'the consensus of this tor cannot be read; is it a tor of 0.4.8 or newer?',
  CONSENSUS_MISSING: 'tor has no usable consensus yet; wait until it has bootstrapped',
  NETWORK_UNKNOWN:
    'the time periods of this network are not those of tor; inspect a file with --voting-interval',
  SIGNER_CONNECT: 'the signer cannot be reached; look at its socket and at its log',
  SIGNER_PIN:
    'the signer has another key than its pin says; compare the pin with `onion-signer tls` over there',
  SIGNER_TIMEOUT: 'the signer did not answer in time',
  SIGNER_ANSWER: 'the answer is not one of onion-signer; install both programs from one release',
  SIGNER_TOO_LARGE: 'the answer of the signer exceeds its bound',
  INPUT_FILE: 'the input is not a readable file; name a file, - for standard input, or an onion address',
  INPUT_DIRECTORY: 'this is a folder; name one file in it',
  INPUT_TOO_LARGE: 'the input is larger than any descriptor; is it one?',
  INPUT_SILENT: 'nobody writes to it; start what should write, or name a file',
  CLIENT_KEY_FILE:
    'the client key must be a regular file of yours that only you can read (chmod 600), no link',
  CLIENT_KEY_FORMAT:
    "the file must hold tor's .auth_private line, or 32 bytes in base32 or base64, and nothing else",
  CLIENT_KEY_ADDRESS: 'the .auth_private file is for another address; name the one for this service',
  CLIENT_KEY_UNUSED: 'a client key opens a descriptor only with its address; add --address',
  ADDRESS_AND_FILE: 'an address is asked for in the network; --address is for files, --all for addresses',
} as const;

/** Closed set of codes of `PublisherError`. */
export type PublisherErrorCode = keyof typeof NEXT_STEP;

export const PUBLISHER_ERROR_CODES = Object.freeze(Object.keys(NEXT_STEP)) as readonly PublisherErrorCode[];

/**
 * Any failure of the publisher that is neither tor's (`ControlError`) nor a descriptor's (`DescriptorError`).
 * The message is the code's next step behind a public detail; decide by `code` only.
 */
export class PublisherError extends Error {
  override readonly name = 'PublisherError';
  readonly code: PublisherErrorCode;

  constructor(code: PublisherErrorCode, detail?: string, options: { readonly cause?: unknown } = {}) {
    super(
      detail === undefined ? NEXT_STEP[code] : `${detail}: ${NEXT_STEP[code]}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
  }
}

/** The code of anything thrown, for logs: our own codes, a system error's code, else the class name. No message. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return 'UNKNOWN';
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return thrown instanceof Error ? thrown.name : 'UNKNOWN';
}
