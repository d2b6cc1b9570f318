import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatOnionAddress, sha256, toHex, TOR_NETWORK } from '../../src/descriptor/index.ts';
import { denialBody, problemBody } from '../../src/signer/contract/problems.ts';
import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { SignerClient } from '../../src/publisher/signer-client.ts';
import { forge, NOON } from '../descriptor/forge.ts';
import { send, ToySigner } from './toy-signer.ts';

const BACKEND = forge();
const EVIDENCE = Buffer.from(BACKEND.text).toString('latin1');
const DIGEST = toHex(sha256(BACKEND.text));
const ADDRESS = formatOnionAddress(BACKEND.kpHsId);

let folder = '';
let signer: ToySigner;
let client: SignerClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signer-'));
  const socket = join(folder, 'signer.sock');
  const backends = [{ name: 'backend', address: ADDRESS }];
  signer = new ToySigner({ socket, profile: TOR_NETWORK, backends, now: () => NOON + 3700 });
  await signer.start();
  client = new SignerClient({ kind: 'unix', path: socket, name: `unix:${socket}` }, { timeoutMs: 5000 });
});
afterEach(async () => {
  client.close();
  await signer.stop();
  rmSync(folder, { recursive: true });
});

function request(id = 'a'.repeat(22)): SignRequest {
  return { id, service: 'frontpage', points: [{ evidence: DIGEST, index: 0 }], evidence: [EVIDENCE] };
}

type Answer = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;
const answerWith = (answer: Answer): void => {
  signer.answer = (...all) => {
    answer(...all);
    return true;
  };
};

describe('A signer on a Unix socket', () => {
  it('names its services.', async () => {
    expect(await client.services()).toEqual([signer.description]);
  });

  it('answers a request with finished texts, and the same id with the same answer.', async () => {
    const first = await client.sign(request());
    expect(first).toMatchObject({
      kind: 'answered',
      answer: { service: 'frontpage', address: signer.address },
    });
    expect(await client.sign(request())).toEqual(first);
    expect(await client.sign(request('b'.repeat(22)))).not.toEqual(first);
    expect(signer.requests.map(({ id }) => id[0])).toEqual(['a', 'a', 'b']);
  });

  it('is spoken to over one connection that stays open.', async () => {
    const streams = new Set<unknown>();
    signer.answer = message => {
      streams.add(message.socket);
      return false;
    };
    await client.services();
    await client.services();
    expect(streams.size).toBe(1);
  });

  it('is reached again after its restart.', async () => {
    await client.services();
    await signer.stop();
    await expect(client.services()).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
    expect(await client.sign(request())).toEqual({ kind: 'unreachable', code: 'SIGNER_CONNECT' });
    await signer.start();
    expect(await client.services()).toHaveLength(1);
    expect(await client.sign(request())).toMatchObject({ kind: 'answered' });
  });

  it('that denies tells the rule, what was observed, the limit and when to come back.', async () => {
    const denial = denialBody({ rule: 'SIGN-RATE', observed: '61', limit: '60' }, 120);
    answerWith((_, __, response) => send(response, 429, denial));
    expect(await client.sign(request())).toEqual({
      kind: 'denied',
      code: 'SIGN-RATE',
      observed: '61',
      limit: '60',
      retryAfter: 120,
    });
  });

  it.each([
    [
      'busy',
      503,
      problemBody('NOT_READY'),
      { 'retry-after': '7' },
      { kind: 'busy', code: 'NOT_READY', retryAfter: 7 },
    ],
    [
      'busy by its body alone',
      429,
      problemBody('SECOND_SPENT', { retryAfter: 1 }),
      {},
      { kind: 'busy', code: 'SECOND_SPENT', retryAfter: 1 },
    ],
    [
      'broken and wants to be left alone for days',
      503,
      problemBody('NOT_READY', { retryAfter: 86_400 }),
      { 'retry-after': '999999' },
      { kind: 'busy', code: 'NOT_READY', retryAfter: 300 },
    ],
    [
      'writing terminal escapes in its code',
      403,
      { ...problemBody('DENIED'), rule: '\u001b[2J' },
      {},
      { kind: 'refused', code: 'HTTP_403' },
    ],
    ['broken without a body of ours', 502, 'x', {}, { kind: 'busy', code: 'HTTP_502' }],
    [
      'unwilling for one descriptor',
      422,
      problemBody('EVIDENCE_INVALID', { evidence: 'a'.repeat(64) }),
      {},
      { kind: 'refused', code: 'EVIDENCE_INVALID', evidence: 'a'.repeat(64) },
    ],
    [
      'naming no digest',
      422,
      { ...problemBody('EVIDENCE_INVALID'), evidence: 'a'.repeat(63) },
      {},
      { kind: 'refused', code: 'HTTP_422', evidence: undefined },
    ],
    [
      'without this service',
      404,
      problemBody('SERVICE_UNKNOWN'),
      {},
      { kind: 'denied', code: 'SERVICE_UNKNOWN' },
    ],
    ['somebody else', 200, { hello: 1 }, {}, { kind: 'refused', code: 'SIGNER_ANSWER' }],
  ])('that is %s is told apart.', async (_, status, body, headers, outcome) => {
    answerWith((__, ___, response) => send(response, status, body, headers));
    expect(await client.sign(request())).toMatchObject(outcome);
  });

  it('that answers with a key twice, or names a service twice, is not believed.', async () => {
    answerWith((_, __, response) => response.end('{"services":[],"services":[]}'));
    await expect(client.services()).rejects.toMatchObject({ code: 'SIGNER_ANSWER' });
    answerWith((_, __, response) =>
      send(response, 200, { services: [signer.description, signer.description] }),
    );
    await expect(client.services()).rejects.toMatchObject({ code: 'SIGNER_ANSWER' });
  });

  it('that hangs up counts as unreachable.', async () => {
    answerWith(({ socket }) => socket.destroy());
    expect(await client.sign(request())).toEqual({ kind: 'unreachable', code: 'SIGNER_CONNECT' });
    answerWith((_, __, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{', () => response.socket?.destroy());
    });
    expect(await client.sign(request())).toEqual({ kind: 'unreachable', code: 'SIGNER_CONNECT' });
  });

  it('is given up when it is silent, and when it says too much.', async () => {
    const { socket } = { socket: join(folder, 'signer.sock') };
    const target = { kind: 'unix', path: socket, name: 'unix' } as const;
    const hasty = new SignerClient(target, { timeoutMs: 50, maxAnswerBytes: 1000 });
    answerWith(() => undefined);
    expect(await hasty.sign(request())).toEqual({ kind: 'unreachable', code: 'SIGNER_TIMEOUT' });
    hasty.close();
    const patient = new SignerClient(target, { timeoutMs: 30_000, maxAnswerBytes: 1000 });
    answerWith((_, __, response) => response.end(`"${'x'.repeat(999)}"`));
    expect(await patient.sign(request())).toEqual({ kind: 'unreachable', code: 'SIGNER_TOO_LARGE' });
    answerWith((_, __, response) => send(response, 200, { services: [] }));
    expect(await patient.services()).toEqual([]);
    patient.close();
  });

  it('approves a dry run without a text.', async () => {
    answerWith(({ url }, __, response) => {
      const good = { service: 'frontpage', verdict: 'approved', periods: [] };
      send(response, url === '/v1/descriptors/check' ? 200 : 404, good);
    });
    expect(await client.check(request())).toEqual({ kind: 'approved' });
  });
});
