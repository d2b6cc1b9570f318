import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createServer as createNetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forLog } from '../../src/publisher/child-stream.ts';
import { SignerClient, type SignerClientOptions } from '../../src/publisher/signer-client.ts';
import { pinOf, type TlsIdentity } from '../../src/signer/program/tls-identity.ts';
import { makeIdentity } from '../signer/tls-client.ts';

let folder: string;
let client: SignerClient | undefined;
const servers: { [Symbol.asyncDispose](): PromiseLike<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stream-'));
});
afterEach(async () => {
  client?.close();
  await Promise.all(servers.splice(0).map(server => server[Symbol.asyncDispose]()));
  rmSync(folder, { recursive: true });
});

/** A signer without services; what it was asked is kept. */
function emptySigner(asked: IncomingMessage[]): HttpServer {
  return createServer((request, response) => {
    asked.push(request);
    response.setHeader('content-type', 'application/json').end('{"services":[]}');
  });
}

describe('A signer behind TLS', () => {
  let own: TlsIdentity & { file: string };
  let signer: TlsIdentity;
  let asked: IncomingMessage[];
  const peers: (string | undefined)[] = [];

  async function serve(options: TlsOptions = {}): Promise<number> {
    const http = emptySigner(asked);
    const { key, cert } = signer;
    const server: Server = createTlsServer(
      { key, cert, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'], ...options },
      (socket: TLSSocket) => {
        const certificate = socket.getPeerX509Certificate();
        peers.push(certificate === undefined ? undefined : pinOf(certificate));
        http.emit('connection', socket);
      },
    );
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  const dial = (
    port: number,
    pin: string,
    keyFile = own.file,
    options: SignerClientOptions = {},
  ): SignerClient => {
    const target = { kind: 'tls', host: '127.0.0.1', port, pin, keyFile, name: 'signer' } as const;
    client?.close();
    client = new SignerClient(target, options);
    return client;
  };

  beforeEach(() => {
    peers.length = 0;
    asked = [];
    own = makeIdentity(folder, 'own');
    signer = makeIdentity(folder, 'signer');
  });

  it('is asked over one connection, with our key shown to it.', async () => {
    const there = dial(await serve(), signer.pin);
    expect(await there.services()).toEqual([]);
    expect(await there.services()).toEqual([]);
    expect(peers).toEqual([own.pin]);
    expect(asked.map(({ headers }) => headers['x-request-id'])).toEqual([
      expect.stringMatching(/^[\w-]{22}$/u),
      expect.stringMatching(/^[\w-]{22}$/u),
    ]);
  });

  it('of another key hears nothing of us but our certificate.', async () => {
    const port = await serve();
    await expect(dial(port, own.pin).services()).rejects.toMatchObject({ code: 'SIGNER_PIN' });
    expect(asked).toEqual([]);
    expect(await dial(port, signer.pin).services()).toEqual([]);
  });

  it.each<[string, TlsOptions]>([
    ['TLS 1.2 only', { maxVersion: 'TLSv1.2' }],
    ['another protocol', { ALPNProtocols: ['h2'] }],
  ])('is not spoken to in another way: %s.', async (_, options) => {
    const port = await serve(options);
    await expect(dial(port, signer.pin).services()).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(?:CONNECT|PIN)$/u) as string,
    });
    expect(asked).toEqual([]);
  });

  it('that never ends its handshake is given up, and asked again on a new connection.', async () => {
    const port = await serve();
    const held: Socket[] = [];
    const mute = createNetServer(socket => held.push(socket.on('error', () => undefined)));
    servers.push(mute);
    mute.listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = mute.address();
    const quiet = typeof address === 'object' && address !== null ? address.port : 0;
    const asking = dial(quiet, signer.pin, own.file, { timeoutMs: 100 }).services();
    await expect(asking).rejects.toMatchObject({ code: 'SIGNER_TIMEOUT' });
    // Our end is closed; unread bytes would keep theirs.
    for (const socket of held) if (!socket.resume().closed) await once(socket, 'close');
    expect(await dial(port, signer.pin).services()).toEqual([]);
  });

  it('needs a key of ours.', () => {
    expect(() => dial(1, signer.pin, join(folder, 'none'))).toThrow(
      expect.objectContaining({ code: 'TLS_KEY' }) as Error,
    );
  });
});

describe('A signer behind a program', () => {
  /** Answers each request on its standard input, as text in `script`; `$LOG` gets a line for each start. */
  function program(script: string): readonly [string, ...string[]] {
    const file = join(folder, 'program.js');
    const log = join(folder, 'starts');
    writeFileSync(
      file,
      `require('fs').appendFileSync(${JSON.stringify(log)}, process.pid + '\\n');\n${script}`,
    );
    chmodSync(file, 0o700);
    return [process.execPath, file];
  }
  const starts = (): number[] => readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n').map(Number);
  const ANSWER = `process.stdin.on('data', () => process.stdout.write(
    'HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 15\\r\\n\\r\\n{"services":[]}'));`;

  const open = (argv: readonly [string, ...string[]], options: SignerClientOptions = {}): SignerClient => {
    client = new SignerClient({ kind: 'exec', argv, name: 'exec:program' }, options);
    return client;
  };

  /** Resolves when no process has this number any more. */
  async function gone(pid: number): Promise<void> {
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch {
        return;
      }
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  it('is asked over the input and output of one process, which ends with us.', async () => {
    const there = open(program(ANSWER));
    expect(await there.services()).toEqual([]);
    expect(await there.services()).toEqual([]);
    expect(starts()).toHaveLength(1);
    there.close();
    await gone(starts()[0]!);
  });

  it('is started again when its program has ended after answers, at once.', async () => {
    const there = open(
      program(`${ANSWER} process.stdin.once('data', () => setImmediate(() => process.exit()));`),
    );
    expect(await there.services()).toEqual([]);
    await gone(starts()[0]!);
    expect(await there.services()).toEqual([]);
    expect(starts()).toHaveLength(2);
  });

  it('is given up at its deadline, its program killed whether it likes it or not.', async () => {
    const there = open(program(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`), {
      timeoutMs: 3_000,
    });
    await expect(there.services()).rejects.toMatchObject({ code: 'SIGNER_TIMEOUT' });
    await gone(starts()[0]!);
  });

  it('whose program fails is not started again before a pause, and what it said is told in bounded lines.', async () => {
    const lines: string[] = [];
    const script = `for (let i = 0; i < 9; i++) console.error('Host key SHA256:${'a'.repeat(43)} refused ' + 'x y '.repeat(100));
      process.exit(255);`;
    const there = open(program(script), { onLine: line => lines.push(line) });
    await expect(there.services()).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
    await gone(starts()[0]!);
    const second = there.services();
    await expect(second).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
    expect(starts()).toHaveLength(1);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^Host key SHA256:… refused x y /u);
    expect(Math.max(...lines.map(({ length }) => length))).toBe(200);
  });

  it('that is not there is unreachable.', async () => {
    const there = open(['no-such-program-of-ours', 'x']);
    await expect(there.services()).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
  });

  it('gets its words as they are: no shell reads them.', async () => {
    const [node, file] = program(
      `require('fs').writeFileSync(${JSON.stringify(join(folder, 'words'))}, JSON.stringify(process.argv.slice(2)));\n${ANSWER}`,
    );
    const words = ['$(id)', 'a b', '*', '"', ';', '-x'];
    expect(await open([node, file!, ...words]).services()).toEqual([]);
    expect(JSON.parse(readFileSync(join(folder, 'words'), 'utf8'))).toEqual(words);
  });
});

it('What a program says is fit for a log.', () => {
  expect(forLog(`a\x1b[31m\tb ${'k'.repeat(32)} ${'k'.repeat(31)}\r`)).toBe(`a [31m b … ${'k'.repeat(31)}`);
});
