import { once } from 'node:events';
import { type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import { connect } from 'node:net';

/** One answer, read to its end. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpQuestion {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is; nothing is sent when it is undefined. */
  readonly body?: string | Uint8Array | undefined;
}

/** POSTs `body` as application/json to /v1/descriptors, unless told otherwise, on a connection of its own. */
export async function ask(socketPath: string, question: HttpQuestion = {}): Promise<HttpAnswer> {
  const { method = 'POST', path = '/v1/descriptors', body } = question;
  const headers = question.headers ?? { 'content-type': 'application/json' };
  const isChunked = 'transfer-encoding' in headers;
  const length = body === undefined || isChunked ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return await new Promise((resolve, reject) => {
    const options = { socketPath, method, path, agent: false, headers: { ...headers, ...length } };
    const request = httpRequest(options, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Asks with GET and gives the JSON of the answer. */
export async function get<T>(socketPath: string, path: string): Promise<T> {
  return JSON.parse((await ask(socketPath, { method: 'GET', path, headers: {} })).body) as T;
}

/** Writes `bytes` to a connection and gives everything that comes back until the other side ends it. */
export async function sayRaw(socketPath: string, bytes: string): Promise<string> {
  const socket = connect(socketPath);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined); // a refusal may break what we still write
  await once(socket, 'connect');
  socket.write(bytes, 'latin1');
  await new Promise<void>(resolve => {
    socket.once('close', () => resolve());
  });
  return Buffer.concat(chunks).toString('latin1');
}
