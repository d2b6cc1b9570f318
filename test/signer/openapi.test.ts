import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import {
  API_SCHEMAS,
  OPERATIONS,
  openApiDocument,
  UNROUTED_PROBLEMS,
} from '../../src/signer/contract/openapi.ts';
import { SignerError } from '../../src/signer/contract/problems.ts';
import { MAX_BODY_BYTES, type SignRequest } from '../../src/signer/contract/requests.ts';
import { createPublisherServer } from '../../src/signer/routes.ts';
import { ask, type HttpAnswer, sayRaw } from '../e2e/daemon/http.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, PUBLISHER } from './core-rig.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** The committed document: everything below reads it, not the code that made it. */
const DOCUMENT = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
  readonly paths: Record<string, Record<string, { readonly responses: Record<string, Response> }>>;
};
type Response = { readonly content: Record<string, { readonly schema: { readonly $ref: string } }> };

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
let admitted = true;
let server: ReturnType<typeof createPublisherServer>;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder();
  await keyholder.prepare();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(async () => {
  core = new CoreRig(rig, keyholder, '{ points: 2..20, requests: 3600/h }');
  admitted = true;
  server = createPublisherServer(core.context, PUBLISHER, () => admitted);
  await server.listen({ path: socket() });
});
afterEach(async () => {
  await server.close();
  core.dispose();
});
const socket = (): string => join(core.folder, 'publisher.sock');

/** The document as one schema with everything that it refers to. */
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(DOCUMENT, 'document');

/** The answer has the media type, headers and body that the document has for its status. */
function expectDocumented(path: string, method: string, answer: HttpAnswer): void {
  const response = DOCUMENT.paths[path]?.[method]?.responses[String(answer.status)];
  const type = String(answer.headers['content-type']).split(';')[0] ?? '';
  const schema = response?.content[type]?.schema.$ref;
  expect([path, answer.status, type, schema]).toEqual([path, answer.status, type, expect.any(String)]);
  const validate = ajv.compile({ $ref: `document${schema}` });
  expect([answer.body, validate(JSON.parse(answer.body)), validate.errors]).toEqual([
    answer.body,
    true,
    null,
  ]);
  expect(answer.headers['x-request-id']).toMatch(/^[A-Za-z0-9_-]{1,36}$/u);
}

/** The bytes of one answer → its parts. */
function splitAnswer(said: string): HttpAnswer {
  const [head = '', body = ''] = said.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = lines.map(line => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(headers) as HttpAnswer['headers'],
    body,
  };
}

type Ask = (body?: string | Uint8Array, headers?: Record<string, string>) => Promise<HttpAnswer>;

/** Fastify's tree of routes → `METHOD /path`. */
function routesOf(tree: string): string[] {
  const parents: { column: number; path: string }[] = [];
  return [...tree.matchAll(/^(.*?)── (\S*)(?: \(([A-Z, ]+)\))?$/gmu)].flatMap(
    ([, indent, part, methods = '']) => {
      while ((parents.at(-1)?.column ?? -1) >= indent!.length) parents.pop();
      const path = `${parents.at(-1)?.path ?? ''}${part}`;
      parents.push({ column: indent!.length, path });
      return methods.split(', ').flatMap(method => (method === '' ? [] : [`${method} ${path}`]));
    },
  );
}

/** How each status comes about that a route for requests may give. `again` repeats while a second is spent. */
const ASKED: Record<number, (send: Ask, path: string) => Promise<HttpAnswer>> = {
  200: async send => {
    for (;;) {
      const answer = await send(JSON.stringify(core.request()));
      if (answer.status !== 429) return answer;
      await new Promise(resolve => setTimeout(resolve, 250));
    }
  },
  400: send => send('{'),
  401: send => {
    admitted = false;
    return send('{}');
  },
  403: send => send(changed({ points: core.request().points.slice(0, 1) })),
  404: send => send(changed({ service: 'nowhere' })),
  409: async (send, path) => {
    const request = core.request();
    await ASKED[200]!(body => send(body === undefined ? body : JSON.stringify(request)), path);
    return send(JSON.stringify({ ...request, points: request.points.toReversed() }));
  },
  413: send => send(changed({}).padEnd(MAX_BODY_BYTES + 1)),
  415: send => send('{}', { 'content-type': 'text/plain' }),
  422: send => send(changed({ evidence: ['hs-descriptor 3\n'] })),
  429: async send => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { keyholder: port } = core.core;
    const status = port.status.bind(port);
    Object.assign(port, { status: () => promise.then(status) });
    const first = send(changed({}));
    let second: HttpAnswer;
    do second = await send('{}');
    while (second.status === 400);
    resolve();
    await first;
    return second;
  },
  500: send => {
    Object.assign(core.core.keyholder, { status: () => Promise.reject(new TypeError('a defect')) });
    return send(changed({}));
  },
  503: send => {
    core.editStatus = state => ({
      ...state,
      services: state.services.map(each => ({ ...each, certifiedUntil: 0 })),
    });
    return send(changed({}));
  },
};

/** The same for routes that only tell. */
const TOLD: Record<number, (send: Ask, path: string) => Promise<HttpAnswer>> = {
  200: send => send(),
  401: ASKED[401]!,
  500: ASKED[500]!,
  503: (send, path) => {
    if (path === '/readyz') return ASKED[503]!(send, path);
    const refusal = new SignerError('KEYHOLDER_UNAVAILABLE', 'away');
    Object.assign(core.core.keyholder, { status: () => Promise.reject(refusal) });
    return send();
  },
};

const changed = (changes: Partial<SignRequest>): string => JSON.stringify(core.request(changes));

describe('docs/openapi.json', () => {
  it('is what `npm run openapi` writes, from the schemas that validate', () => {
    expect(DOCUMENT).toEqual(openApiDocument(version));
    expect(DOCUMENT).not.toEqual(openApiDocument('0.0.0'));
    for (const name of Object.keys(API_SCHEMAS))
      expect(() => ajv.getSchema(`document#/components/schemas/${name}`)).not.toThrow();
  });

  it('has every route that exists, and no other', () => {
    const found = routesOf(server.printRoutes({ commonPrefix: false }));
    const documented = OPERATIONS.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(found.toSorted()).toEqual(documented.toSorted());
    const more = '└── /a (GET)\n    └── /b (GET, POST)\n';
    expect(routesOf(more)).toEqual(['GET /a', 'GET /a/b', 'POST /a/b']);
  });

  const cases = OPERATIONS.flatMap(({ path, method, problems }) =>
    [200, ...problems].map(status => ({ path, method, status })),
  );
  it.each(cases)('$method $path answers $status as it says', async ({ path, method, status }) => {
    const answer = await (method === 'post' ? ASKED : TOLD)[status]!((body, headers) => {
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const sent = method === 'post' ? { body } : {};
      return ask(socket(), { method: method.toUpperCase(), path, headers: headers ?? type, ...sent });
    }, path);
    expect(answer.status).toBe(status);
    expectDocumented(path, method, answer);
  });

  it('has what is answered before a route, under an id that the log has', async () => {
    server.server.headersTimeout = 50;
    const start = 'GET /healthz HTTP/1.1\r\n';
    const raw = [
      `${start}Host: x\r\nX: ${'x'.repeat(9000)}\r\n\r\n`,
      `${start}Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`,
      `${start}X-Request-Id: mine\r\n\r\n`,
      `${start}Host: x\r\nExpect: a-miracle\r\nX-Request-Id: other\r\n\r\n`,
      `${start}Host: x\r\nX-Req`,
    ];
    const seen = await Promise.all(raw.map(async said => splitAnswer(await sayRaw(socket(), said))));
    for (const { path, method } of OPERATIONS) {
      for (const answer of seen) expectDocumented(path, method, answer);
    }
    expect(seen.map(({ status }) => status)).toEqual([431, 400, 400, 400, 408]);
    expect(seen.every(({ status }) => UNROUTED_PROBLEMS.includes(status))).toBe(true);
    const ids = seen.map(({ headers }) => headers['x-request-id']);
    expect([ids.includes('mine'), ids.includes('other'), new Set(ids).size]).toEqual([true, true, 5]);
    // The first of a code is a line at once, the last of it one for the flush.
    core.log.flush();
    const lines = core.lines.flatMap(({ msg, request }) => (msg === 'refused' ? [request] : []));
    for (const place of [0, 4]) expect(lines).toContain(ids[place]);
    expect(lines.filter(id => ids.slice(1, 4).some(one => one === id))).toHaveLength(2);
  });

  it('says no to an answer with a field that it does not have', () => {
    const validate = ajv.compile({ $ref: 'document#/components/schemas/HealthAnswer' });
    expect([validate({ status: 'ok' }), validate({ status: 'ok', more: 1 })]).toEqual([true, false]);
  });
});

describe('the id of a request', () => {
  const get = (id?: string, path = '/v1/keys'): Promise<HttpAnswer> =>
    ask(socket(), { method: 'GET', path, headers: id === undefined ? {} : { 'x-request-id': id } });

  it('is the caller’s own when it fits into a log, else a new one each time', async () => {
    for (const id of ['a', 'x'.repeat(36), 'A-b_9']) expect((await get(id)).headers['x-request-id']).toBe(id);
    for (const id of ['x'.repeat(37), 'a b', 'a"b', 'ä', undefined]) {
      const [one, two] = [await get(id), await get(id)].map(({ headers }) => headers['x-request-id']);
      expect(one).toMatch(/^[\w-]{22}$/u);
      expect(one).not.toBe(two);
    }
    expect((await get('twice', '/%zz')).headers['x-request-id']).toBe('twice');
  });

  it('stands in each line about it', async () => {
    const send = (id: string, body: string): Promise<HttpAnswer> =>
      ask(socket(), { headers: { 'content-type': 'application/json', 'x-request-id': id }, body });
    await send('bad', '{');
    await send('denied', changed({ points: core.request().points.slice(0, 1) }));
    let status = 429;
    while (status === 429) ({ status } = await send('good', changed({})));
    const lines = core.lines.map(({ msg, request }) => [msg, request]);
    expect(lines).toContainEqual(['refused', 'bad']);
    expect(lines).toContainEqual(['denied', 'denied']);
    expect(lines).toContainEqual(['signed', 'good']);
  });
});

it('a dry run changes nothing that is kept, and asks no token', async () => {
  const digest = (): string =>
    JSON.stringify(
      [core.core.journal.head(), core.core.journal.size, ...core.core.journal.archive.entries()],
      (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
    );
  const before = digest();
  const headers = { 'content-type': 'application/json' };
  const check = (change: object) =>
    ask(socket(), {
      path: '/v1/descriptors/check',
      headers,
      body: JSON.stringify({ ...core.request(), ...change }),
    });
  expect((await check({})).status).toBe(200);
  expect((await check({ points: core.request().points.slice(0, 1) })).status).toBe(403);
  expect((await check({ service: 'beta' })).status).toBe(404);
  await core.core.journal.flushRefusals();
  expect(digest()).toBe(before);
  expect(new Set(core.asked)).toEqual(new Set(['prove', 'status']));
  // The same digest tells when something is written.
  await ask(socket(), {
    body: JSON.stringify({ ...core.request(), points: core.request().points.slice(0, 1) }),
  });
  await core.core.journal.flushRefusals();
  expect(digest()).not.toBe(before);
});
