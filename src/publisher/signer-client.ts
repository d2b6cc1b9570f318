import { randomBytes } from 'node:crypto';
import {
  CheckAnswerSchema,
  compileValidator,
  type Problem,
  ProblemSchema,
  type ServiceDescription,
  ServicesAnswerSchema,
  type SignAnswer,
  SignAnswerSchema,
  type SignRequest,
} from '../signer/contract/requests.ts';
import { parseStrictJson } from '../signer/contract/strict-json.ts';
import type { SignerTarget } from './config-signers.ts';
import { codeOf, PublisherError } from './error.ts';
import { signerConnector } from './signer-stream.ts';
import { type HttpAnswer, SignerTransport } from './signer-transport.ts';

const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * What a signer said to a request. `approved`: it would sign (dry run only).
 * `denied`: policy says no to this content. `busy`: the same request may be repeated after `retryAfter` seconds.
 * `refused`: the request itself is wrong and is not repeated. `evidence`: digest of the one descriptor that is at fault. `unreachable`: nobody knows whether it arrived.
 */
export type SignOutcome =
  | { readonly kind: 'answered'; readonly answer: SignAnswer }
  | { readonly kind: 'approved' }
  | {
      readonly kind: 'denied';
      readonly code: string;
      readonly observed: string | undefined;
      readonly limit: string | undefined;
      readonly retryAfter: number | undefined;
      readonly evidence: string | undefined;
    }
  | { readonly kind: 'busy'; readonly code: string; readonly retryAfter: number | undefined }
  | { readonly kind: 'refused'; readonly code: string; readonly evidence: string | undefined }
  | { readonly kind: 'unreachable'; readonly code: string };

export type SignerClientOptions = {
  /** Limit for one request; default 60,000 ms: an opening may wait for the token. */
  readonly timeoutMs?: number;
  /** Largest answer; default 16 MiB: 256 descriptors. */
  readonly maxAnswerBytes?: number;
  /** What the program behind an `exec:` says on standard error, fit for a log. */
  readonly onLine?: (line: string) => void;
};

const checkServices = compileValidator(ServicesAnswerSchema);
const checkAnswer = compileValidator(SignAnswerSchema);
const checkVerdict = compileValidator(CheckAnswerSchema);
const checkProblem = compileValidator(ProblemSchema);

/** One signer, spoken to over one byte stream at a time. Nothing that it says is used here: `verifyAnswer` judges. */
export class SignerClient {
  readonly name: string;
  readonly #transport: SignerTransport;
  readonly #timeoutMs: number;
  readonly #maxAnswerBytes: number;

  /** SignerError TLS_KEY when a TLS target has no key. */
  constructor(target: SignerTarget, options: SignerClientOptions = {}) {
    this.name = target.name;
    this.#transport = new SignerTransport(signerConnector(target, options.onLine ?? (() => undefined)));
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#maxAnswerBytes = options.maxAnswerBytes ?? 16 * 1024 * 1024;
  }

  /**
   * GET /v1/services: the services that this signer has for us. Throws PublisherError SIGNER_CONNECT, SIGNER_TIMEOUT,
   * SIGNER_TOO_LARGE, or SIGNER_ANSWER with the signer's code in the message.
   */
  async services(): Promise<readonly ServiceDescription[]> {
    const answer = await this.#send('GET', '/v1/services', randomBytes(16).toString('base64url'));
    if (answer.status !== 200)
      throw new PublisherError('SIGNER_ANSWER', readProblem(answer)?.code ?? `${answer.status}`);
    const { services } = readBody(answer, checkServices);
    if (new Set(services.map(({ service }) => service)).size < services.length) {
      throw new PublisherError('SIGNER_ANSWER', 'a service stands twice');
    }
    return services;
  }

  /**
   * POST /v1/descriptors. Never throws: what went wrong is an outcome. A request is repeated with the same `id`, so
   * that a lost answer costs nothing.
   */
  async sign(request: SignRequest): Promise<SignOutcome> {
    return this.#ask('/v1/descriptors', request, answer => ({
      kind: 'answered',
      answer: readBody(answer, checkAnswer),
    }));
  }

  /** POST /v1/descriptors/check: what `sign` would say, without a signature. Never throws. */
  async check(request: SignRequest): Promise<SignOutcome> {
    return this.#ask('/v1/descriptors/check', request, answer => {
      readBody(answer, checkVerdict);
      return { kind: 'approved' };
    });
  }

  /** Closes the connection. */
  close(): void {
    this.#transport.close();
  }

  async #ask(
    path: string,
    request: SignRequest,
    read: (answer: HttpAnswer) => SignOutcome,
  ): Promise<SignOutcome> {
    try {
      const answer = await this.#send('POST', path, request.id, JSON.stringify(request));
      return answer.status === 200 ? read(answer) : outcomeOf(answer);
    } catch (thrown) {
      const code = codeOf(thrown);
      return code === 'SIGNER_ANSWER'
        ? { kind: 'refused', code, evidence: undefined }
        : { kind: 'unreachable', code };
    }
  }

  async #send(method: 'GET' | 'POST', path: string, requestId: string, body?: string): Promise<HttpAnswer> {
    return this.#transport.send({
      method,
      path,
      requestId,
      timeoutMs: this.#timeoutMs,
      maxAnswerBytes: this.#maxAnswerBytes,
      ...(body === undefined ? {} : { body }),
    });
  }
}

function outcomeOf(answer: HttpAnswer): SignOutcome {
  const problem = readProblem(answer);
  const code = problem?.rule ?? problem?.code ?? `HTTP_${answer.status}`;
  const wait = answer.retryAfter ?? problem?.retryAfter;
  // A signer that is broken must not silence a service for days.
  const retryAfter = wait === undefined ? undefined : Math.min(wait, MAX_RETRY_AFTER_SECONDS);
  const evidence = problem?.evidence;
  if (problem?.code === 'DENIED' || problem?.code === 'SERVICE_UNKNOWN') {
    const { observed, limit } = problem;
    return { kind: 'denied', code, observed, limit, retryAfter, evidence };
  }
  const mayRepeat = answer.status === 429 || answer.status === 408 || answer.status >= 500;
  return mayRepeat ? { kind: 'busy', code, retryAfter } : { kind: 'refused', code, evidence };
}

/** RFC 9457 problem details, or undefined when the body is none of ours. */
function readProblem(answer: HttpAnswer): Problem | undefined {
  try {
    return checkProblem(parseStrictJson(answer.body));
  } catch {
    return undefined;
  }
}

function readBody<T>(answer: HttpAnswer, check: (value: unknown) => T): T {
  try {
    return check(parseStrictJson(answer.body));
  } catch (cause) {
    throw new PublisherError('SIGNER_ANSWER', undefined, { cause });
  }
}
