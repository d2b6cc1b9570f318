import { connect } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { MAX_BODY_BYTES, type SignAnswer, type SignRequest } from '../../../src/signer/contract/requests.ts';
import {
  type BackendDescriptor,
  backendDescriptor,
  goodRequest,
  newRequestId,
  pointsOf,
  signRequest,
} from './backends.ts';
import type { SignerHome } from './home.ts';
import { ask, type HttpAnswer, type HttpQuestion, sayRaw } from './http.ts';
import { entriesSince, sizeOf } from './journal-entries.ts';
import { SMUGGLED } from './smuggled.ts';

/** Status, code and, for a denial, rule. */
type Refusal = readonly [status: number, code: string, rule?: string];

/** What the daemon refuses, all of it between two good requests. `homeOf` gives a running signer. */
export function describeBadInput(homeOf: () => SignerHome): void {
  let home: SignerHome;
  let first: SignAnswer;
  let good: SignRequest;
  let box: BackendDescriptor;
  let box2: BackendDescriptor;

  beforeAll(async () => {
    home = homeOf();
    good = goodRequest(home).request;
    [box, box2] = [
      backendDescriptor(home.profile, 'box-1', { points: 10 }),
      backendDescriptor(home.profile, 'box-2'),
    ];
    first = await home.sign(good);
  });

  /** The problem is the one expected, and the daemon lives. */
  async function expectRefused(question: HttpQuestion, [status, code, rule]: Refusal): Promise<HttpAnswer> {
    const answer = await ask(home.socket(), question);
    const wanted = { status, code, ...(rule === undefined ? {} : { rule }) };
    expect(JSON.parse(answer.body)).toMatchObject(wanted);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/u);
    expect((await ask(home.socket(), { method: 'GET', path: '/healthz', headers: {} })).status).toBe(200);
    return answer;
  }

  /** The good request with a fresh id and these changes, as JSON. */
  const changed = (changes: object): string => JSON.stringify({ ...good, id: newRequestId(), ...changes });
  const from = (evidence: BackendDescriptor[], points: SignRequest['points']): string =>
    JSON.stringify(signRequest('frontpage', evidence, points));

  describe('bytes that are no request', () => {
    const bodies: [string, () => string | Uint8Array, Refusal][] = [
      ['JSON that ends early', () => changed({}).slice(0, -1), [400, 'JSON_SYNTAX']],
      ['an empty body', () => '', [400, 'JSON_SYNTAX']],
      ['two values', () => `${changed({})}{}`, [400, 'JSON_SYNTAX']],
      ['what is not UTF-8', () => Buffer.from(changed({ id: '\u00ff' }), 'latin1'), [400, 'JSON_ENCODING']],
      ['a key twice', () => changed({}).replace('{', '{"service":"asleep",'), [400, 'JSON_DUPLICATE_KEY']],
      ['deep nesting', () => changed({ points: '[' }).replace('"["', '['.repeat(9_999)), [400, 'JSON_DEPTH']],
      [
        'a number beyond 2^53',
        () => changed({ points: 7 }).replace('7,', '9007199254740993,'),
        [400, 'JSON_NUMBER'],
      ],
      ['an unknown field', () => changed({ period: 1 }), [400, 'REQUEST_SCHEMA']],
      ['a missing field', () => changed({ points: undefined }), [400, 'REQUEST_SCHEMA']],
      ['a number as service', () => changed({ service: 7 }), [400, 'REQUEST_SCHEMA']],
      [
        'an index as text',
        () => changed({ points: [{ ...good.points[0], index: '0' }] }),
        [400, 'REQUEST_SCHEMA'],
      ],
      ['a short id', () => changed({ id: 'x'.repeat(15) }), [400, 'REQUEST_SCHEMA']],
      [
        'twenty-one points',
        () => changed({ points: Array(21).fill(good.points[0]) }),
        [400, 'REQUEST_SCHEMA'],
      ],
    ];
    test.each(bodies)('are refused: %s', async (_, body, refusal) => {
      await expectRefused({ body: body() }, refusal);
    });

    test.each([
      ['another media type', { 'content-type': 'text/plain' }],
      ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
      ['no media type', {}],
    ])('are refused: %s', async (_, headers) => {
      await expectRefused({ headers, body: changed({}) }, [415, 'MEDIA_TYPE']);
    });

    test('are refused: one byte too many, announced or not', async () => {
      const body = changed({}).padEnd(MAX_BODY_BYTES + 1);
      const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
      await expectRefused({ headers: chunked, body }, [413, 'BODY_TOO_LARGE']);
      const head = `POST /v1/descriptors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
      const said = await sayRaw(home.socket(), `${head}Content-Length: ${body.length}\r\n\r\n`);
      expect(said).toMatch(/^HTTP\/1\.1 413 [^]*"code":"BODY_TOO_LARGE"/u);
    });

    test('are refused: no body at all', async () => {
      await expectRefused({ headers: {} }, [415, 'MEDIA_TYPE']);
    });
  });

  describe('requests for what nobody may have', () => {
    test('get one answer, byte for byte, whether the service is unknown, of another publisher or disabled', async () => {
      const answers: HttpAnswer[] = [];
      for (const service of ['nowhere', 'elsewhere', 'asleep']) {
        const headers = { 'content-type': 'application/json', 'x-request-id': 'same' };
        answers.push(await expectRefused({ headers, body: changed({ service }) }, [404, 'SERVICE_UNKNOWN']));
      }
      const [unknown, ...others] = answers.map(({ headers, body }) => ({
        headers: { ...headers, date: '' },
        body,
      }));
      for (const other of others) expect(other).toEqual(unknown);
    });

    const routes: [string, HttpQuestion, Refusal][] = [
      ['an unknown route', { method: 'GET', path: '/v1/keys', headers: {} }, [404, 'NOT_FOUND']],
      ['a route of the administration', { method: 'GET', path: '/policy', headers: {} }, [404, 'NOT_FOUND']],
      ['a path with dots', { method: 'GET', path: '/v1/../status', headers: {} }, [404, 'NOT_FOUND']],
      ['a broken path', { method: 'GET', path: '/%zz', headers: {} }, [404, 'NOT_FOUND']],
      ['another method', { method: 'GET', headers: {} }, [405, 'METHOD_NOT_ALLOWED']],
      [
        'a method that would change',
        { method: 'DELETE', path: '/v1/services?x', headers: {} },
        [405, 'METHOD_NOT_ALLOWED'],
      ],
    ];
    test.each(routes)('are refused: %s', async (_, question, refusal) => {
      await expectRefused(question, refusal);
    });
  });

  describe('points without proof', () => {
    const requests: [string, () => string, Refusal][] = [
      [
        'a point of a stranger, whose descriptor is in order',
        () => {
          const stranger = backendDescriptor(home.profile, 'stranger');
          return from([box2, stranger], pointsOf([box2, 0], [stranger, 0]));
        },
        [422, 'EVIDENCE_INVALID'],
      ],
      [
        "a point of another service's backend, fresh and true",
        () => {
          const far = backendDescriptor(home.profile, 'far-1');
          return from([box2, far], pointsOf([box2, 0], [far, 0]));
        },
        [422, 'EVIDENCE_INVALID'],
      ],
      [
        'a descriptor of a backend with one character changed',
        () => {
          const text = box.text.replace(
            /revision-counter (\d)/u,
            (_, digit) => `revision-counter ${(Number(digit) % 9) + 1}`,
          );
          return JSON.stringify({
            ...signRequest('frontpage', [], pointsOf([box, 0], [box2, 0])),
            evidence: [text, box2.text],
          });
        },
        [422, 'EVIDENCE_INVALID'],
      ],
      [
        'text that is no descriptor',
        () => changed({ evidence: ['hs-descriptor 3\n'] }),
        [422, 'EVIDENCE_INVALID'],
      ],
      [
        'a descriptor that was never sent',
        () => from([box2], [...pointsOf([box2, 0]), { evidence: 'ab'.repeat(32), index: 0 }]),
        [422, 'EVIDENCE_UNKNOWN'],
      ],
      [
        'an index beyond the points',
        () => from([box, box2], pointsOf([box, 9, 10], [box2, 0])),
        [403, 'DENIED', 'INTRO-PROVENANCE'],
      ],
      [
        'fewer points than the policy wants',
        () => from([box, box2], pointsOf([box, 0])),
        [403, 'DENIED', 'POINT-COUNT'],
      ],
      [
        'more than it allows',
        () => from([box, box2], pointsOf([box, 0, 1, 2, 3, 4, 5], [box2, 0])),
        [403, 'DENIED', 'POINT-COUNT'],
      ],
      [
        'points of one backend only',
        () => from([box, box2], pointsOf([box, 0, 1])),
        [403, 'DENIED', 'MIN-BACKENDS'],
      ],
      [
        'a point twice',
        () => from([box, box2], pointsOf([box, 3], [box2, 1], [box, 3])),
        [403, 'DENIED', 'POINT-UNIQUE'],
      ],
    ];
    test.each(requests)('are refused: %s', async (_, body, refusal) => {
      await expectRefused({ body: body() }, refusal);
    });
  });

  describe('checkpoints that this signer never signed', () => {
    const notes: [string, () => string, Refusal][] = [
      ['no note', () => 'garbage', [400, 'NOTE_FORMAT']],
      [
        'another key',
        () => first.checkpoint.replace(/ \S+\n$/u, ` ${randomBytes(68).toString('base64')}\n`),
        [400, 'NOTE_UNVERIFIED'],
      ],
      [
        'another size',
        () => first.checkpoint.replace(/^(.*\n)(\d+)\n/u, '$1$29\n'),
        [400, 'NOTE_UNVERIFIED'],
      ],
    ];
    test.each(notes)('are refused: %s', async (_, note, refusal) => {
      expect(note()).not.toBe(first.checkpoint);
      await expectRefused({ body: changed({ checkpoint: note() }) }, refusal);
    });
  });

  describe('what is not HTTP as it is read here', () => {
    test.each(SMUGGLED)('ends the connection with one answer: %s', async (_, bytes, status) => {
      const said = await sayRaw(home.socket(), bytes);
      expect(said.match(/HTTP\/1\.1/gu)).toHaveLength(1);
      expect(said).toContain(`HTTP/1.1 ${status} `);
      expect(said).toContain('application/problem+json');
      expect(said).toContain(status === 431 ? '"code":"HEADERS_TOO_LARGE"' : '"code":"REQUEST_MALFORMED"');
      expect(said).not.toContain('backends');
    });

    test('more connections than one publisher may hold are turned away, and the others live', async () => {
      const held = Array.from({ length: 40 }, () => connect(home.socket()).on('error', () => undefined));
      await Promise.race(held.map(socket => once(socket, 'close')));
      for (const socket of held) socket.destroy();
      expect((await home.status()).services.map(({ service }) => service)).toEqual(['frontpage']);
    });
  });

  test('requests at the very limits are answered, and nothing that was refused was signed or spent', async () => {
    const least = from([box, box2], pointsOf([box, 0], [box2, 0]));
    const most = signRequest('frontpage', [box, box2], pointsOf([box, 9, 8, 7, 6, 5], [box2, 0]));
    await home.sign({ ...most, checkpoint: first.checkpoint });
    await home.retry({ body: least.padEnd(MAX_BODY_BYTES) });
    expect(await home.stop()).toBe(0);
    const kinds = entriesSince(home, sizeOf(first.checkpoint)).map(({ kind }) => kind);
    expect(kinds.filter(kind => kind !== 'refused')).toEqual([
      'reserved',
      'released',
      'reserved',
      'released',
    ]);
    await home.start();
  });
}
