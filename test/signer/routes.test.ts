import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { createAdminServer } from '../../src/signer/admin.ts';
import type { Problem, StatusAnswer } from '../../src/signer/contract/requests.ts';
import { collectMetrics } from '../../src/signer/metrics.ts';
import { MAX_IN_PROGRESS } from '../../src/signer/request-gate.ts';
import { type MeasureReport, type OperatorOrder, takeMeasure } from '../../src/signer/operator.ts';
import { createPublisherServer } from '../../src/signer/routes.ts';
import { ServiceNames } from '../../src/signer/policy/service-names.ts';
import { ask, get, type HttpAnswer, sayRaw } from '../e2e/daemon/http.ts';
import { readExposition } from '../exposition.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, OTHER_PUBLISHER, PUBLISHER } from './core-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
let servers: { close(): PromiseLike<void> }[];

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  // Its token is never asked: everything below holds without a period key.
  keyholder = rig.keyholder();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});

const socket = (name: string): string => join(core.folder, `${name}.sock`);

beforeEach(async () => {
  core = new CoreRig(rig, keyholder);
  const offered = [PUBLISHER, OTHER_PUBLISHER].map(
    name => [name, createPublisherServer(core.context, name)] as const,
  );
  const signer = { origin: 'log', journal: '0'.repeat(32), network: 'tor' };
  const current = { serial: 1, text: new Uint8Array(), signer, names: new ServiceNames() };
  const policy = { current: () => current, apply: async () => true };
  const take = (measure: OperatorOrder): Promise<MeasureReport> => takeMeasure(core.core, measure);
  const admin = createAdminServer(core.context, { policy, take }, () =>
    collectMetrics(core.context, core.folder, '0.1.0'),
  );
  servers = [];
  for (const [name, server] of [...offered, ['admin', admin] as const]) {
    await server.listen({ path: socket(name) });
    servers.push(server);
  }
});
afterEach(async () => {
  await Promise.all(servers.map(server => server.close()));
  core.dispose();
});

/** Holds every answer of the keyholder's status back until it is called. */
function holdStatus(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  const inner = core.core.keyholder.status.bind(core.core.keyholder);
  Object.assign(core.core.keyholder, { status: async () => promise.then(inner) });
  return resolve;
}

const codeOf = ({ body }: HttpAnswer): string => (JSON.parse(body) as Problem).code;
const getRaw = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('requests that do not wait for their answers', () => {
  it('are not answered: the connection ends with the answer to the first', async () => {
    const said = await sayRaw(socket(PUBLISHER), getRaw('/v1/status') + getRaw('/healthz'));
    expect(said.match(/HTTP\/1\.1/gu)).toHaveLength(1);
    expect(said).toMatch(/^HTTP\/1\.1 200 [^]*connection: close\r\n[^]*"ready":/iu);
  });

  it('cost neither memory nor the others, however many they are', async () => {
    const before = core.asked.length;
    const flood = sayRaw(socket(PUBLISHER), getRaw('/v1/status').repeat(200_000));
    const other = await get<StatusAnswer>(socket(OTHER_PUBLISHER), '/v1/status');
    expect(other.services.map(({ service }) => service)).toEqual(['beta']);
    // Who is still writing may miss even that.
    expect((await flood).match(/HTTP\/1\.1/gu)?.length ?? 0).toBeLessThanOrEqual(1);
    expect(core.asked.length - before).toBeLessThan(5);
  });

  it('and behind a request for a path that is no path neither', async () => {
    const release = holdStatus();
    const said = sayRaw(socket(PUBLISHER), getRaw('/v1/status') + getRaw('/%zz').repeat(1000));
    await get(socket(OTHER_PUBLISHER), '/healthz');
    release();
    expect((await said).match(/HTTP\/1\.1/gu)).toHaveLength(1);
  });

  it('while one after the other may use one connection', async () => {
    const stream = connect(socket(PUBLISHER)).setEncoding('latin1');
    for (let i = 0; i < 50; i += 1) {
      stream.write(getRaw('/healthz'));
      const [said] = (await once(stream, 'data')) as [string];
      expect(said).toMatch(/^HTTP\/1\.1 200 /u);
    }
    stream.destroy();
  });
});

it('requests beyond the number in progress are turned away at once, of this publisher only', async () => {
  const release = holdStatus();
  const question = { method: 'GET', path: '/v1/status', headers: {} };
  const held = Array.from({ length: MAX_IN_PROGRESS }, () => ask(socket(PUBLISHER), question));
  let refused: HttpAnswer;
  do refused = await ask(socket(PUBLISHER), { ...question, path: '/healthz' });
  while (refused.status === 200);
  expect([refused.status, codeOf(refused)]).toEqual([503, 'OVERLOADED']);
  expect(refused.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
  expect(refused.headers['content-type']).toBe('application/problem+json');
  const own = { ...question, headers: { 'x-request-id': 'too-many' } };
  expect((await ask(socket(PUBLISHER), own)).headers['x-request-id']).toBe('too-many');
  core.log.flush();
  const lines = core.lines.filter(({ code }) => code === 'OVERLOADED');
  expect(lines.map(({ request }) => request)).toEqual([refused.headers['x-request-id'], 'too-many']);
  expect((await ask(socket(OTHER_PUBLISHER), { ...question, path: '/healthz' })).status).toBe(200);
  release();
  for (const { status } of await Promise.all(held)) expect(status).toBe(200);
  expect((await ask(socket(PUBLISHER), question)).status).toBe(200);
});

it('a request that ends while the signer stops is told so, under its id', async () => {
  const stream = connect(socket(PUBLISHER)).setEncoding('latin1');
  await once(stream, 'connect');
  stream.write('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: late\r\n');
  // Behind an answer to somebody later these bytes have been read.
  await get(socket(PUBLISHER), '/healthz');
  const closed = servers[0]?.close();
  const said = once(stream, 'data');
  stream.write('\r\n');
  expect(String(await said)).toMatch(/^HTTP\/1\.1 503 [^]*x-request-id: late\r\n[^]*"code":"NOT_READY"/iu);
  await closed;
});

describe('what a publisher is told of the signer', () => {
  const broken = (): void => {
    core.editStatus = state => ({
      ...state,
      services: state.services.map(each => ({ ...each, certifiedUntil: 0, errorCode: 'PIN_INCORRECT' })),
    });
  };

  it('is nothing of token, PIN or what the state is sealed to; the operator sees it all', async () => {
    broken();
    const own = await ask(socket(PUBLISHER), { method: 'GET', path: '/v1/status', headers: {} });
    expect(own.body).not.toMatch(/PIN_INCORRECT|stateProtection|file of mode|quotaBytes/u);
    const { services } = JSON.parse(own.body) as StatusAnswer;
    expect(services).toMatchObject([{ service: 'alpha', state: 'down', code: 'CUSTODY_UNAVAILABLE' }]);
    const operator = await get<StatusAnswer>(socket('admin'), '/status');
    expect(operator).toMatchObject({
      stateProtection: 'file of mode 0400',
      journal: { bytes: core.core.journal.size.bytes, quotaBytes: 8 * 2 ** 30 },
      services: [{ code: 'PIN_INCORRECT' }, { service: 'beta', code: 'PIN_INCORRECT' }],
    });
  });

  it('is readiness for its own services only', async () => {
    core.editStatus = state => ({
      ...state,
      services: state.services.map(each => ({
        ...each,
        certifiedUntil: each.alias === 'alpha' ? 2 ** 40 : 0,
        errorCode: '',
      })),
    });
    const ready = async (name: string): Promise<unknown> => {
      const readyz = await ask(socket(name), { method: 'GET', path: '/readyz', headers: {} });
      return [readyz.status, (await get<StatusAnswer>(socket(name), '/v1/status')).ready];
    };
    expect(await ready(PUBLISHER)).toEqual([200, true]);
    expect(await ready(OTHER_PUBLISHER)).toEqual([503, false]);
    // A keyholder whose list is of another policy makes nobody ready.
    core.policySerial += 1;
    expect(await ready(PUBLISHER)).toEqual([503, false]);
    expect((await get<StatusAnswer>(socket('admin'), '/status')).code).toBe('POLICY_SERIAL');
  });
});

describe('POST /v1/descriptors/check', () => {
  const checkPath = '/v1/descriptors/check';
  const post = (body: string): Promise<HttpAnswer> =>
    ask(socket(PUBLISHER), { path: checkPath, headers: { 'content-type': 'application/json' }, body });

  it('answers as signing would: denials with their rule, errors with their code', async () => {
    const request = core.request();
    expect(codeOf(await post('{'))).toBe('JSON_SYNTAX');
    expect(codeOf(await post(JSON.stringify({ ...request, service: 'beta' })))).toBe('SERVICE_UNKNOWN');
    expect(codeOf(await post(JSON.stringify({ ...request, points: request.points.slice(0, 1) })))).toBe(
      'DENIED',
    );
    core.editStatus = state => ({
      ...state,
      services: state.services.map(each => ({ ...each, certifiedUntil: 2 ** 40 })),
    });
    core.core.latched.clear();
    const three = [...request.points, { ...request.points[0]!, index: 1 }];
    const approved = await post(JSON.stringify({ ...request, points: three }));
    expect([approved.status, JSON.parse(approved.body)]).toEqual([
      200,
      { service: 'alpha', verdict: 'approved', periods: expect.any(Array) as unknown[] },
    ]);
    const wrong = await ask(socket(PUBLISHER), { method: 'GET', path: checkPath, headers: {} });
    expect(codeOf(wrong)).toBe('METHOD_NOT_ALLOWED');
  });

  it('and signing are one in flight together', async () => {
    const release = holdStatus();
    const request = core.request();
    const points = [...request.points, { ...request.points[0]!, index: 1 }];
    const first = post(JSON.stringify({ ...request, points }));
    let second: HttpAnswer;
    do second = await ask(socket(PUBLISHER), { body: '{}' });
    while (codeOf(second) === 'REQUEST_SCHEMA');
    expect([second.status, codeOf(second)]).toEqual([429, 'REQUEST_IN_FLIGHT']);
    release();
    expect(codeOf(await first)).toBe('CUSTODY_UNAVAILABLE');
  });
});

it('bad requests are one line of the log, then one with their number', async () => {
  const lines = () => core.lines.filter(({ msg }) => msg === 'refused');
  for (let i = 0; i < 30; i += 1) await ask(socket(PUBLISHER), { body: '{' });
  await ask(socket(OTHER_PUBLISHER), { body: '{' });
  const line = { publisher: PUBLISHER, route: '/v1/descriptors', code: 'JSON_SYNTAX' };
  expect(lines()).toMatchObject([line, { ...line, publisher: OTHER_PUBLISHER }]);
  core.log.flush();
  expect(lines()).toHaveLength(3);
  expect(lines()[2]).toMatchObject({ ...line, count: 29 });
});

describe('/metrics', () => {
  const read = async () =>
    readExposition((await ask(socket('admin'), { method: 'GET', path: '/metrics', headers: {} })).body);

  it('counts requests, denials and problems by names of policy and codes, for the operator only', async () => {
    await get(socket(PUBLISHER), '/healthz');
    await ask(socket(PUBLISHER), { body: '{' });
    const few = { ...core.request(), points: core.request().points.slice(0, 1) };
    await ask(socket(PUBLISHER), { body: JSON.stringify(few) });
    await ask(socket(OTHER_PUBLISHER), { body: JSON.stringify({ ...few, service: 'made-up-name' }) });
    const families = await read();
    const samples = (name: string) =>
      families.get(`onion_signer_${name}`)?.samples.map(({ labels, value }) => ({ ...labels, value }));
    expect(samples('requests_total')).toEqual(
      expect.arrayContaining([
        { publisher: PUBLISHER, route: '/healthz', status: '200', value: 1 },
        { publisher: PUBLISHER, route: '/v1/descriptors', status: '400', value: 1 },
        { publisher: OTHER_PUBLISHER, route: '/v1/descriptors', status: '404', value: 1 },
      ]),
    );
    expect(samples('problems_total')).toEqual([{ publisher: PUBLISHER, code: 'JSON_SYNTAX', value: 1 }]);
    expect(samples('denials_total')).toContainEqual({
      publisher: OTHER_PUBLISHER,
      rule: 'PUBLISHER-SERVICE',
      value: 1,
    });
    expect(samples('journal_quota_bytes')).toEqual([{ value: 8 * 2 ** 30 }]);
    expect(samples('service_state')).toMatchObject([{ service: 'alpha' }, { service: 'beta' }]);
    expect(samples('build_info')).toEqual([{ version: '0.1.0', value: 1 }]);
    expect(families.get('onion_signer_request_duration_seconds')?.samples.length).toBeGreaterThan(10);
    expect((await ask(socket(PUBLISHER), { method: 'GET', path: '/metrics', headers: {} })).status).toBe(404);
  });

  it('says when the token was opened, and when the keyholder is away', async () => {
    const { metrics } = core.context;
    const alpha = { alias: 'alpha' };
    const value = async (name: string) => (await read()).get(`onion_signer_${name}`)?.samples[0]?.value;
    metrics.custody([{ ...alpha, certifiedUntil: 100 }], 7);
    metrics.custody([{ ...alpha, certifiedUntil: 100 }], 8);
    expect([await value('token_opened_timestamp_seconds'), await value('keyholder_up')]).toEqual([
      undefined,
      1,
    ]);
    metrics.custody([{ ...alpha, certifiedUntil: 200 }], 9);
    Object.assign(core.core.keyholder, { status: () => Promise.reject(new Error('away')) });
    expect([await value('token_opened_timestamp_seconds'), await value('keyholder_up')]).toEqual([9, 0]);
    expect(await value('journal_bytes')).toBeGreaterThan(0);
  });

  it('holds no address, key or point', async () => {
    const request = core.request();
    const address = core.core.policy().services[0]!.address;
    await ask(socket(PUBLISHER), { body: JSON.stringify({ ...request, service: address.slice(0, 56) }) });
    await ask(socket(PUBLISHER), { body: JSON.stringify(request), path: `/v1/${address}` });
    const { body } = await ask(socket('admin'), { method: 'GET', path: '/metrics', headers: {} });
    expect(body).toContain('service="alpha"');
    for (const needle of [address.slice(0, 20), request.points[0]!.evidence.slice(0, 20)]) {
      expect([needle, body.includes(needle)]).toEqual([needle, false]);
    }
    expect(body).not.toMatch(/[A-Za-z2-7]{56}|[0-9a-f]{40}/u);
  });
});
