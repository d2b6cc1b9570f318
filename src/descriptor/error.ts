/** Every way in which untrusted input can be refused by the descriptor library. */
export const DESCRIPTOR_ERROR_CODES = [
  'BAD_LENGTH',
  'BAD_BASE64',
  'BAD_BASE32',
  'BAD_HEX',
  'BAD_KEY',
  'BAD_ADDRESS',
  'BAD_CERT',
  'CERT_EXPIRED',
  'BAD_SIGNATURE',
  'BAD_INTEGER',
  'BAD_SYNTAX',
  'MISSING_ITEM',
  'DUPLICATE_ITEM',
  'UNKNOWN_VERSION',
  'TOO_LARGE',
  'TRAILING_DATA',
  'BAD_UTF8',
  'BAD_LAYER',
  'BAD_MAC',
  'WRONG_KEY',
  'WRONG_PERIOD',
  'POINT_COUNT',
  'BAD_POINT',
  'BAD_LINK_SPECIFIER',
  'COUNTER_OUT_OF_RANGE',
  'COOKIE_MISSING',
  'EVIDENCE_STALE',
  'EVIDENCE_FROM_FUTURE',
  'EVIDENCE_INCONSISTENT',
  'BAD_PERIOD',
  'BAD_KEY_FILE',
  'KEY_FILE_ENCRYPTED',
  'BAD_CONSENSUS',
] as const;

/** One of {@link DESCRIPTOR_ERROR_CODES}. */
export type DescriptorErrorCode = (typeof DESCRIPTOR_ERROR_CODES)[number];

/** The three documents of a descriptor, one inside the other (rend-spec-v3 §2.4, §2.5.1.2, §2.5.2.2). */
export type DescriptorLayer = 'outer' | 'middle' | 'inner';

/** Where in the input the fault lies (bytes or characters from 0, lines from 1) and what caused it. */
export interface DescriptorErrorDetails {
  /** Which document of an opened descriptor `line` and `offset` count in. */
  readonly layer?: DescriptorLayer;
  readonly offset?: number;
  readonly line?: number;
  readonly cause?: unknown;
}

/**
 * The one error class of this folder. Callers branch on `code`, never on the message.
 * The message says what was expected and carries no key, address or secret.
 */
export class DescriptorError extends Error {
  override readonly name = 'DescriptorError';
  readonly code: DescriptorErrorCode;
  readonly offset: number | undefined;
  readonly line: number | undefined;
  readonly layer: DescriptorLayer | undefined;

  constructor(code: DescriptorErrorCode, message: string, details: DescriptorErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.offset = details.offset;
    this.line = details.line;
    this.layer = details.layer;
  }
}

/** Runs `read`; a DescriptorError that it throws comes out with the layer added. Ours. */
export function inLayer<T>(layer: DescriptorLayer, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DescriptorError)) throw error;
    const { offset, line } = error;
    throw new DescriptorError(error.code, error.message, {
      layer,
      cause: error,
      ...(offset === undefined ? {} : { offset }),
      ...(line === undefined ? {} : { line }),
    });
  }
}
