import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import type { SignerConfig } from './config.ts';
import { SignerError } from './contract/problems.ts';

/** The administration socket: root's, or the signer's own user's. Local commands reach the running daemon by it. */
export const adminSocketPath = (config: Pick<SignerConfig, 'run'>): string => join(config.run, 'admin.sock');

export interface AdminAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** One request to the running daemon; undefined when none runs. SignerError NOT_READY when it breaks off. */
export async function askDaemon(
  config: Pick<SignerConfig, 'run'>,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  body?: Uint8Array,
): Promise<AdminAnswer | undefined> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath: adminSocketPath(config),
        method,
        path,
        timeout: 30_000,
        headers:
          body === undefined
            ? {}
            : { 'content-type': 'application/octet-stream', 'content-length': body.length },
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') resolve(undefined);
      else if (cause.code === 'EACCES')
        reject(new SignerError('NOT_READY', "run this as root or as the signer's user", { cause }));
      else
        reject(
          new SignerError('NOT_READY', 'the daemon did not answer on its administration socket', { cause }),
        );
    });
    request.end(body);
  });
}
