import type { TSchema } from 'typebox';
import {
  CheckAnswerSchema,
  HealthAnswerSchema,
  MAX_BODY_BYTES,
  ProblemSchema,
  ServicesAnswerSchema,
  SignAnswerSchema,
  SignRequestSchema,
  StatusAnswerSchema,
} from './requests.ts';

/** One route of a publisher's door, as it is documented; `problems` are statuses beside 200. */
export interface Operation {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly request?: string;
  readonly answer: string;
  readonly problems: readonly number[];
}

/** Every schema of the document, by name: those that validate here and in the publisher. */
export const API_SCHEMAS = {
  SignRequest: SignRequestSchema,
  SignAnswer: SignAnswerSchema,
  CheckAnswer: CheckAnswerSchema,
  ServicesAnswer: ServicesAnswerSchema,
  StatusAnswer: StatusAnswerSchema,
  HealthAnswer: HealthAnswerSchema,
  Problem: ProblemSchema,
} as const satisfies Record<string, TSchema>;

const ASKING = [400, 401, 403, 404, 413, 415, 422, 429, 500, 503];

/** Of any request, before a route sees it; the connection ends. */
export const UNROUTED_PROBLEMS = [400, 408, 431, 503];

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/descriptors',
    operationId: 'signDescriptor',
    summary: 'Finished descriptors with these proven points: for now, and for the hours ahead.',
    request: 'SignRequest',
    answer: 'SignAnswer',
    problems: [...ASKING, 409],
  },
  {
    method: 'post',
    path: '/v1/descriptors/check',
    operationId: 'checkDescriptor',
    summary:
      'What signDescriptor would say. Nothing is signed, spent or written; it has a budget of its own.',
    request: 'SignRequest',
    answer: 'CheckAnswer',
    problems: ASKING,
  },
  {
    method: 'get',
    path: '/v1/services',
    operationId: 'listServices',
    summary: 'The services of the asking publisher, with what it needs to publish them.',
    answer: 'ServicesAnswer',
    problems: [401],
  },
  {
    method: 'get',
    path: '/v1/status',
    operationId: 'readStatus',
    summary: 'State of the signer and of the asking publisher’s services.',
    answer: 'StatusAnswer',
    problems: [401, 500, 503],
  },
  {
    method: 'get',
    path: '/healthz',
    operationId: 'isAlive',
    summary: 'The process answers.',
    answer: 'HealthAnswer',
    problems: [401],
  },
  {
    method: 'get',
    path: '/readyz',
    operationId: 'isReady',
    summary: 'Every service of the asking publisher has a certified key for now, and nothing is halted.',
    answer: 'HealthAnswer',
    problems: [401, 503],
  },
];

const DESCRIPTION = [
  'HTTP/1.1 over a Unix socket, a pipe to it, or TLS 1.3 with both keys pinned. The connection says which publisher asks;',
  `nothing in a request does. Bodies are strict JSON without duplicate keys, at most ${MAX_BODY_BYTES} bytes. One request`,
  'waits for the answer to the one before. Whatever is no HTTP, too slow or too much ends the connection with a problem',
  '(400, 408, 431, 503). Every answer has an id.',
].join(' ');

/** The OpenAPI 3.1 document of the publishers' API, as a JSON value. */
export function openApiDocument(version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'onion-signer',
      version,
      description: DESCRIPTION,
      license: { name: 'BSD-3-Clause', identifier: 'BSD-3-Clause' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    paths,
    components: {
      schemas: JSON.parse(JSON.stringify(API_SCHEMAS)) as unknown,
      headers: {
        'x-request-id': {
          description:
            'Under it the signer’s log has this request: the caller’s own (1 to 36 of A-Z a-z 0-9 - _), or a new one.',
          schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,36}$' },
        },
        'retry-after': {
          description: 'Seconds after which asking again may help.',
          schema: { type: 'string', pattern: '^[0-9]{1,5}$' },
        },
      },
    },
  };
}

function describe({ operationId, summary, request, answer, problems }: Operation): unknown {
  const body =
    request === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: ref(request) } } } };
  const statuses = [...new Set([...problems, ...UNROUTED_PROBLEMS])].sort((a, b) => a - b);
  const named = statuses.map(status => [String(status), problem()] as const);
  return {
    operationId,
    summary,
    ...body,
    responses: {
      '200': {
        description: 'As asked.',
        headers: idHeader(),
        content: { 'application/json': { schema: ref(answer) } },
      },
      ...Object.fromEntries(named),
      default: problem(),
    },
  };
}

const problem = (): unknown => ({
  description: 'RFC 9457 problem details; a denial names its rule.',
  headers: { ...idHeader(), 'retry-after': { $ref: '#/components/headers/retry-after' } },
  content: { 'application/problem+json': { schema: ref('Problem') } },
});

const idHeader = () => ({ 'x-request-id': { $ref: '#/components/headers/x-request-id' } });

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
