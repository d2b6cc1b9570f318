/** Every way in which talking to tor's control port can fail. */
export const CONTROL_ERROR_CODES = [
  /** Nobody listens at the endpoint, or the system refused the connection. */
  'CONTROL_CONNECT',
  /** The connection ended, by tor or by us; nothing more will arrive on it. */
  'CONTROL_CLOSED',
  /** Tor did not answer, or an awaited event did not come, within the limit. */
  'CONTROL_TIMEOUT',
  /** What arrived is not a control-port reply. */
  'CONTROL_SYNTAX',
  /** A line or a whole reply is longer than our bound. */
  'CONTROL_TOO_LONG',
  /** Tor answered a command with 4xx or 5xx; see `replyStatus`. */
  'CONTROL_REPLY',
  /** An argument of ours could not be put on the wire. */
  'CONTROL_ARGUMENT',
  /** Tor offers no method that we use (SAFECOOKIE, or COOKIE with a configured path). */
  'CONTROL_AUTH_METHOD',
  /** The cookie file is missing, unreadable or not 32 bytes. */
  'CONTROL_AUTH_COOKIE',
  /** The peer does not know the cookie: it is not the tor whose cookie file we read. */
  'CONTROL_AUTH_SERVER_HASH',
  /** Tor refused our proof. */
  'CONTROL_AUTH_REFUSED',
] as const;

export type ControlErrorCode = (typeof CONTROL_ERROR_CODES)[number];

/**
 * A failure at tor's control port. Decide on `code` and `replyStatus`. The message carries no text of tor's, which
 * may name addresses; `reply` returns that text for a terminal and is not enumerable, so that loggers skip it.
 */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: ControlErrorCode;
  /** Tor's three-digit status, with CONTROL_REPLY and CONTROL_AUTH_REFUSED. */
  readonly replyStatus: number | undefined;
  readonly #reply: string | undefined;

  constructor(
    code: ControlErrorCode,
    message: string,
    details: { replyStatus?: number; reply?: string; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.replyStatus = details.replyStatus;
    this.#reply = details.reply;
  }

  /** Tor's own words; they may hold an address or a fingerprint. */
  get reply(): string | undefined {
    return this.#reply;
  }
}
