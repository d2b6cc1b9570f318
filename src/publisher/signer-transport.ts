import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { codeOf, PublisherError } from './error.ts';
import type { Connect } from './signer-stream.ts';

/** One HTTP answer: status, body and the seconds of Retry-After. */
export type HttpAnswer = {
  readonly status: number;
  readonly body: Buffer;
  readonly retryAfter: number | undefined;
};

export type HttpRequest = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  /** From here to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  /** Under it the signer's log has this request. */
  readonly requestId: string;
};

/** HTTP/1.1 to one signer over streams that `connect` opens; one at a time, kept open between requests. */
export class SignerTransport {
  readonly #agent: SignerAgent;

  constructor(connect: Connect) {
    this.#agent = new SignerAgent(connect);
  }

  /**
   * Sends one request and reads the whole answer. Throws PublisherError SIGNER_CONNECT, SIGNER_TIMEOUT or
   * SIGNER_TOO_LARGE; any status is an answer.
   */
  async send({ method, path, body, timeoutMs, maxAnswerBytes, requestId }: HttpRequest): Promise<HttpAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const bytes = body === undefined ? undefined : Buffer.from(body, 'utf8');
    const headers = {
      host: 'signer',
      'x-request-id': requestId,
      accept: 'application/json, application/problem+json',
      ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
    };
    const sent: ClientRequest = request({ agent: this.#agent, method, path, headers }, answer => {
      readAnswer(answer, maxAnswerBytes).then(resolve, reject);
    });
    const timer = setTimeout(() => {
      sent.destroy(new PublisherError('SIGNER_TIMEOUT'));
      this.#agent.abandon();
    }, timeoutMs);
    sent.on('error', cause => reject(toPublisherError(cause)));
    sent.end(bytes);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      if (!sent.destroyed && !sent.writableFinished) sent.destroy();
    }
  }

  /** Closes all connections. */
  close(): void {
    this.#agent.abandon();
    this.#agent.destroy();
  }
}

class SignerAgent extends Agent {
  readonly #connect: Connect;
  #abandon: () => void = () => undefined;

  constructor(connect: Connect) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    this.#connect = connect;
  }

  override createConnection(
    _options: unknown,
    done: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    // Node passes one or the other; its types ask for both.
    this.#abandon = this.#connect(done as Parameters<Connect>[0]);
  }

  /** Ends a connection that is still being made: no request waits for it. */
  abandon(): void {
    this.#abandon();
  }
}

async function readAnswer(answer: IncomingMessage, maxBytes: number): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new PublisherError('SIGNER_TOO_LARGE');
      chunks.push(chunk);
    }
  } catch (cause) {
    answer.destroy();
    throw toPublisherError(cause);
  }
  const retryAfter = /^[0-9]{1,6}$/u.exec(answer.headers['retry-after'] ?? '')?.[0];
  return {
    status: answer.statusCode ?? 0,
    body: Buffer.concat(chunks),
    retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
  };
}

function toPublisherError(cause: unknown): PublisherError {
  return cause instanceof PublisherError
    ? cause
    : new PublisherError('SIGNER_CONNECT', codeOf(cause), { cause });
}
