/**
 * Every way in which the signer says no: one closed table of codes with HTTP status, exit code and title,
 * one of rules, the error class that carries a code, and the RFC 9457 body that goes over the wire.
 */

interface ProblemRow {
  readonly status: number;
  /** 1 = degraded or denied, 2 = down or unusable input. */
  readonly exit: 1 | 2;
  readonly title: string;
}

const row = (status: number, exit: 1 | 2, title: string): ProblemRow => ({ status, exit, title });

/** Code → status, exit code, title. The title never depends on the request. */
export const PROBLEMS = {
  // The request's bytes.
  JSON_ENCODING: row(400, 2, 'The body is not UTF-8'),
  JSON_SYNTAX: row(400, 2, 'The body is not strict JSON'),
  JSON_DUPLICATE_KEY: row(400, 2, 'The body has a key twice in one object'),
  JSON_DEPTH: row(400, 2, 'The body is nested too deeply'),
  JSON_NUMBER: row(400, 2, 'The body has a number that cannot be held exactly'),
  REQUEST_SCHEMA: row(400, 2, 'The body does not fit its schema'),
  BODY_TOO_LARGE: row(413, 2, 'The body is too large'),
  MEDIA_TYPE: row(415, 2, 'The body must be application/json'),
  REQUEST_MALFORMED: row(400, 2, 'This is not an HTTP request as it is read here'),
  HEADERS_TOO_LARGE: row(431, 2, 'The headers are too large'),
  REQUEST_TIMEOUT: row(408, 2, 'The request took too long to arrive'),
  // The request's meaning.
  PUBLISHER_UNKNOWN: row(401, 2, 'This key is no publisher of this signer'),
  NOT_FOUND: row(404, 2, 'There is nothing here'),
  METHOD_NOT_ALLOWED: row(405, 2, 'This method is not offered here'),
  SERVICE_UNKNOWN: row(404, 1, 'There is no such service for this publisher'),
  REQUEST_ID_REUSED: row(409, 2, 'This request id was used for another request'),
  REQUEST_IN_FLIGHT: row(429, 1, 'Another request of this publisher is being answered'),
  SECOND_SPENT: row(429, 1, 'This second is already spent'),
  EVIDENCE_UNKNOWN: row(422, 2, 'A point names evidence that was neither sent nor seen lately'),
  EVIDENCE_INVALID: row(422, 2, 'A descriptor sent as evidence does not prove itself'),
  DENIED: row(403, 1, 'Policy denies this request'),
  // The signer's state.
  NOT_READY: row(503, 2, 'The signer is not ready'),
  OVERLOADED: row(503, 1, 'Too many requests of this publisher are in progress'),
  FENCED: row(503, 1, 'Nothing is signed yet after a recovery or fence'),
  FROZEN: row(503, 2, 'Nothing is signed for this service until its operator says so'),
  SERVICE_LATCHED: row(503, 2, 'This service is stopped after a result that failed verification'),
  KEYHOLDER_UNAVAILABLE: row(503, 2, 'The keyholder does not answer'),
  KEYHOLDER_REFUSED: row(503, 2, 'The keyholder refused'),
  CUSTODY_UNAVAILABLE: row(503, 2, 'No period key is certified for this service'),
  DEADLINE: row(503, 2, 'The answer was not ready in time'),
  CHECKPOINT_AHEAD: row(503, 2, "A checkpoint is newer than this signer's journal"),
  CHECKPOINT_FORK: row(503, 2, "A checkpoint is not of this signer's journal"),
  INTERNAL: row(500, 2, 'The signer failed'),
  // Checkpoints and proofs.
  NOTE_FORMAT: row(400, 2, 'This is not a signed note'),
  NOTE_UNVERIFIED: row(400, 2, 'No known key signed this note'),
  LOG_PROOF: row(400, 2, 'This proof cannot be made or read'),
  AUDIT_SOURCE: row(500, 2, 'This journal or bundle cannot be read'),
  AUDIT_TEXT: row(500, 2, 'A released text is not what policy and evidence allowed'),
  // The journal.
  JOURNAL_MISSING: row(503, 2, 'There is no journal'),
  JOURNAL_EXISTS: row(503, 2, 'There is a journal already'),
  JOURNAL_FOREIGN: row(503, 2, 'This is not the journal of this signer'),
  JOURNAL_TORN: row(503, 2, 'The journal contradicts itself'),
  JOURNAL_LOCKED: row(503, 2, 'Another process writes this journal'),
  JOURNAL_FULL: row(503, 2, 'The journal has used its space'),
  JOURNAL_FAILED: row(503, 2, 'The journal could not be written'),
  JOURNAL_CLOSED: row(503, 2, 'The journal is closed'),
  JOURNAL_MISUSE: row(500, 2, 'The journal was asked for something impossible'),
  JOURNAL_ENTRY: row(500, 2, 'A journal entry has no canonical form'),
  // Configuration and policy files.
  CONFIG_NOT_APPLIED: row(500, 2, 'The configuration is not the one that policy was applied with'),
  SOCKET_PATH: row(500, 2, 'Something that is no socket stands where a socket belongs'),
  LISTEN: row(500, 2, 'An address cannot be listened on'),
  TLS_KEY: row(500, 2, 'The TLS key cannot be used'),
  FILE_MODE: row(500, 2, 'Others can change a file that decides who may sign'),
  FILE_UNREADABLE: row(500, 2, 'A file cannot be read'),
  YAML_SYNTAX: row(500, 2, 'A file is not YAML'),
  YAML_SUBSET: row(500, 2, 'A file uses a part of YAML that is not allowed here'),
  DUPLICATE_KEY: row(500, 2, 'A file has a key twice'),
  UNKNOWN_KEY: row(500, 2, 'A file has an unknown key'),
  MISSING_KEY: row(500, 2, 'A file lacks a key'),
  BAD_VALUE: row(500, 2, 'A file has a value that does not fit'),
  PIN_LITERAL: row(500, 2, 'A PIN stands in the configuration'),
  POLICY_EMPTY: row(500, 2, 'There is no policy'),
  POLICY_DUPLICATE: row(500, 2, 'Two policies claim one service'),
  POLICY_PUBLISHER: row(500, 2, 'A policy names an unknown publisher'),
  POLICY_SERIAL: row(500, 2, 'A policy is older than the one in force'),
  POLICY_SNAPSHOT: row(500, 2, 'A stored policy cannot be read'),
  POLICY_UNSIGNED: row(500, 2, 'Too few administrators signed this policy'),
  POLICY_SIGNATURE: row(500, 2, 'A signature is not on this policy'),
  POLICY_SIGNER: row(500, 2, 'A signature is of nobody who may sign here'),
  'ADMINISTRATOR-KEY': row(500, 2, 'The key of an administrator cannot be used'),
  'BACKEND-KEY': row(500, 2, 'The key of an onion service in a policy cannot be used'),
  'BACKEND-NOT-OURS': row(500, 2, 'A backend is an identity that this signer holds'),
  'CLIENT-KEY': row(500, 2, 'The key of a client cannot be used'),
  'BACKEND-RETIRED': row(500, 2, 'The address of a backend was retired'),
  'SERVICE-NAME': row(500, 2, 'A service has another name or address than before'),
  'BACKEND-EXCLUSIVE': row(500, 2, 'A backend serves two services'),
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Code of a service of which every publisher was evicted. */
export const NO_PUBLISHER = 'NO_PUBLISHER';

/** Rule id → status and title of its denial. Rules of the policy and invariants of the keyholder. */
export const RULE_PROBLEMS = {
  'PUBLISHER-SERVICE': row(404, 1, PROBLEMS.SERVICE_UNKNOWN.title),
  'POINT-COUNT': row(403, 1, 'The number of introduction points is outside the limits'),
  'POINT-UNIQUE': row(403, 1, 'An introduction point stands twice in the request'),
  'MIN-BACKENDS': row(403, 1, 'The points come from too few backends'),
  'INTRO-SHARE': row(403, 1, 'One backend has too many of the points'),
  'INTRO-PROVENANCE': row(403, 1, 'A point is not proven by a backend of this service'),
  'EVIDENCE-AGE': row(403, 1, 'A backend descriptor is too old or from the future'),
  'CLOCK-BEHIND': row(403, 1, "The signer's clock is behind its witnesses"),
  'CLOCK-AHEAD': row(403, 1, "The signer's clock is ahead of its witnesses"),
  'PERIOD-WINDOW': row(403, 1, 'A period is not publishable now'),
  RUNWAY: row(403, 1, 'A second lies behind the clock or beyond the runway'),
  VARIANT: row(403, 1, 'There is one variant'),
  'COUNTER-CEILING': row(403, 1, 'A revision counter is beyond its period'),
  HORIZON: row(403, 1, 'A second lies beyond the horizon'),
  'DESCRIPTOR-SIZE': row(403, 1, 'The descriptor would be larger than HSDirs take'),
  'ONE-PER-SECOND': row(429, 1, 'More than one descriptor for one second'),
  'CONTENT-CHURN': row(429, 1, 'Too many different sets of points in the last hour'),
  'SIGN-RATE': row(429, 1, 'Too many requests in the last hour'),
} as const satisfies Record<string, ProblemRow>;

export type RuleId = keyof typeof RULE_PROBLEMS;

/** A denial shows the rule, what was observed and the limit; nothing of another service, no address or key. */
export interface Denied {
  readonly rule: RuleId;
  readonly observed: string;
  readonly limit: string;
  /** Digest of the one descriptor that it is about, hex: its sender may leave it out. Never written down. */
  readonly evidence?: string;
}

/** Where in a request or a file: `offset` in bytes; `line` and `column` from 1. */
export interface SignerErrorDetail {
  readonly cause?: unknown;
  readonly offset?: number;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly retryAfter?: number;
  /** As in Denied. */
  readonly evidence?: string;
}

/** The one error of src/signer. The message says what to do next and holds no secret, address or key. */
export class SignerError extends Error {
  override readonly name = 'SignerError';
  readonly code: ProblemCode;
  readonly offset: number | undefined;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly retryAfter: number | undefined;
  readonly evidence: string | undefined;

  constructor(code: ProblemCode, message: string, detail: SignerErrorDetail = {}) {
    super(message, 'cause' in detail ? { cause: detail.cause } : undefined);
    this.code = code;
    this.offset = detail.offset;
    this.file = detail.file;
    this.line = detail.line;
    this.column = detail.column;
    this.retryAfter = detail.retryAfter;
    this.evidence = detail.evidence;
  }
}

/** The exit code of a command that ends with this error: 1 denied or degraded, 2 unusable. */
export const exitCodeOf = (error: unknown): 1 | 2 =>
  error instanceof SignerError ? PROBLEMS[error.code].exit : 2;

/**
 * RFC 9457 problem details, with our members `code`, `rule`, `observed`, `limit`, `retryAfter` (seconds) and `evidence`:
 * the digest of the one descriptor that was refused, as its sender named it.
 */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly rule?: string;
  readonly observed?: string;
  readonly limit?: string;
  readonly detail: string;
  readonly retryAfter?: number;
  readonly evidence?: string;
}

/**
 * The body of a problem with `code`. `detail` is shown to the caller: pass only text about the caller's own
 * request. Without it the title stands there again.
 */
export function problemBody(
  code: ProblemCode,
  extra: { detail?: string; retryAfter?: number; evidence?: string } = {},
): ProblemBody {
  const { status, title } = PROBLEMS[code];
  const { retryAfter, evidence } = extra;
  return {
    type: `urn:onion-signer:problem:${code}`,
    title,
    status,
    code,
    detail: extra.detail ?? title,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}

/**
 * The body of a denial. PUBLISHER-SERVICE answers as SERVICE_UNKNOWN does, byte for byte, so that a forbidden
 * service cannot be told from one that does not exist.
 */
export function denialBody(denied: Denied, retryAfter?: number): ProblemBody {
  if (denied.rule === 'PUBLISHER-SERVICE') return problemBody('SERVICE_UNKNOWN');
  const { status, title } = RULE_PROBLEMS[denied.rule];
  return {
    type: `urn:onion-signer:rule:${denied.rule}`,
    title,
    status,
    code: 'DENIED',
    rule: denied.rule,
    observed: denied.observed,
    limit: denied.limit,
    detail: `${title}: observed ${denied.observed}, limit ${denied.limit}`,
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(denied.evidence === undefined ? {} : { evidence: denied.evidence }),
  };
}

/**
 * The body for anything thrown. Only the request's own codes (status 4xx) show their message; the rest, and
 * errors of other classes, show a title alone.
 */
export function errorBody(error: unknown): ProblemBody {
  if (!(error instanceof SignerError)) return problemBody('INTERNAL');
  const shown = PROBLEMS[error.code].status < 500 ? { detail: error.message } : {};
  return problemBody(error.code, {
    ...shown,
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    ...(error.evidence === undefined ? {} : { evidence: error.evidence }),
  });
}
