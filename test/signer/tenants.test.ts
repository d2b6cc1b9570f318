import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256, toHex } from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { settleMeasures, takeMeasure } from '../../src/signer/operator.ts';
import { checkDescriptor, type SignOutcome, signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { newRequestId } from '../e2e/daemon/backends.ts';
import { backendDescriptor, createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, OTHER_PUBLISHER, PUBLISHER } from './core-rig.ts';

/** Of each publisher for each service in an hour. */
const REQUESTS = 4;
const SETS = 2;
const PAIRS = [PUBLISHER, OTHER_PUBLISHER].flatMap(publisher =>
  ['alpha', 'beta'].map(service => ({ publisher, service })),
);
type Pair = (typeof PAIRS)[number];
const BACKEND: Readonly<Record<string, string>> = { alpha: 'a1', beta: 'b1' };

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
/** Of core and keyholder, in seconds ahead of the true one: a second may be spent once. */
let ahead = 0;
const clock = (): number => Math.floor(Date.now() / 1000) + ahead;

beforeAll(async () => {
  rig = await createRig();
  writeList(2);
  keyholder = rig.keyholder({ clock: () => Date.now() + ahead * 1000 });
  await keyholder.prepare();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(async () => {
  writeList(2);
  keyholder.reload();
  core = new CoreRig(
    rig,
    keyholder,
    `{ points: 1..20, requests: ${REQUESTS}/h, point_sets: ${SETS}/h }`,
    '',
    true,
  );
  core.clock = clock;
  // The keyholder knows fences of the tests before; this journal is new.
  await settleMeasures(core.core);
});
afterEach(() => core.dispose());

/** As `policy apply` compiles it for a service with so many publishers. */
const writeList = (publishers: number): void =>
  void rig.writeList({}, { requestsPerHour: publishers * REQUESTS, pointSetsPerHour: publishers * SETS });

/** What each backend published; the same text whenever it is asked for. */
const published = new Map<string, Uint8Array>();

/** A request for the first `count` points of the service's first backend. */
function requestFor(service: string, count = 1, change: Partial<SignRequest> = {}): SignRequest {
  const label = BACKEND[service] ?? '';
  const text = published.get(label) ?? backendDescriptor(label);
  published.set(label, text);
  const evidence = toHex(sha256(text));
  return {
    id: newRequestId(),
    service,
    points: Array.from({ length: count }, (_, index) => ({ evidence, index })),
    evidence: [Buffer.from(text).toString('latin1')],
    ...change,
  };
}

/** Signs in the next second: `signed`, `repeated`, or the rule or code that refuses. */
async function sign(publisher: string, request: SignRequest): Promise<string> {
  ahead += 1;
  try {
    return endOf(await signDescriptor(core.core, publisher, request));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

function endOf(outcome: SignOutcome): string {
  if (outcome.kind === 'denied') return outcome.denied.rule;
  return outcome.repeated ? 'repeated' : 'signed';
}

const same = (one: Pair, other: Pair): boolean =>
  one.publisher === other.publisher && one.service === other.service;
const CROSSINGS = PAIRS.flatMap(owner => PAIRS.map(asker => ({ owner, asker })));

describe('of two publishers and two services', () => {
  it.each(CROSSINGS)(
    'what $owner.publisher did for $owner.service is met by $asker.publisher for $asker.service only if it is the same',
    async ({ owner, asker }) => {
      const own = same(owner, asker);
      const id = newRequestId();
      expect(await sign(owner.publisher, requestFor(owner.service, 1, { id }))).toBe('signed');
      // The stored answer, under its id.
      expect(await sign(asker.publisher, requestFor(asker.service, 1, { id }))).toBe(
        own ? 'repeated' : 'signed',
      );
      // The id, for something else.
      const other = await sign(
        asker.publisher,
        requestFor(asker.service, 2, { id: own ? id : newRequestId() }),
      );
      expect(other).toBe(own ? 'REQUEST_ID_REUSED' : 'signed');
    },
  );

  it.each(CROSSINGS)(
    'evidence that $owner.publisher showed for $owner.service is named by $asker.publisher for $asker.service only if it is the same',
    async ({ owner, asker }) => {
      expect(await sign(owner.publisher, requestFor(owner.service))).toBe('signed');
      const { points } = requestFor(owner.service, 1);
      const named = requestFor(asker.service, 1, { points, evidence: [] });
      expect(await sign(asker.publisher, named)).toBe(same(owner, asker) ? 'signed' : 'EVIDENCE_UNKNOWN');
      // Nor does a reference to nothing look any different.
      const nothing = [{ evidence: '0'.repeat(64), index: 0 }];
      expect(await sign(asker.publisher, { ...named, id: newRequestId(), points: nothing })).toBe(
        'EVIDENCE_UNKNOWN',
      );
    },
  );

  it.each(PAIRS)('$publisher uses up nothing but its own by a flood for $service', async flooder => {
    const { publisher, service } = flooder;
    for (let count = 1; count <= SETS; count += 1)
      expect(await sign(publisher, requestFor(service, count))).toBe('signed');
    expect(await sign(publisher, requestFor(service, SETS + 1))).toBe('CONTENT-CHURN');
    for (let left = REQUESTS - SETS; left > 0; left -= 1)
      expect(await sign(publisher, requestFor(service))).toBe('signed');
    expect(await sign(publisher, requestFor(service))).toBe('SIGN-RATE');
    for (let dry = 0; dry <= REQUESTS; dry += 1)
      await checkDescriptor(core.core, publisher, requestFor(service)).catch(() => undefined);
    for (const { publisher: asker, service: asked } of PAIRS.filter(pair => !same(pair, flooder))) {
      expect((await checkDescriptor(core.core, asker, requestFor(asked))).kind).toBe('approved');
      for (let count = 1; count <= SETS; count += 1)
        expect(await sign(asker, requestFor(asked, count + 1))).toBe('signed');
    }
  });
});

describe('a publisher that flooded and was evicted', () => {
  const flood = async (): Promise<void> => {
    for (let count = 1; count <= SETS; count += 1)
      expect(await sign(PUBLISHER, requestFor('alpha', count))).toBe('signed');
    for (let left = REQUESTS - SETS; left > 0; left -= 1)
      expect(await sign(PUBLISHER, requestFor('alpha'))).toBe('signed');
    await takeMeasure(core.core, { kind: 'evicted', publisher: PUBLISHER });
    expect(await sign(PUBLISHER, requestFor('alpha'))).toBe('PUBLISHER_UNKNOWN');
  };

  it('keeps nothing from the other publisher of its service, at once', async () => {
    await flood();
    for (let count = 2; count <= SETS + 1; count += 1)
      expect(await sign(OTHER_PUBLISHER, requestFor('alpha', count))).toBe('signed');
  });

  it('nor from its successor, after `policy apply`', async () => {
    writeList(1);
    keyholder.reload();
    core.policySerial = rig.listSerial;
    await flood();
    // The keyholder knows no publishers: to it the hour is used up, by whichever.
    expect(await sign(OTHER_PUBLISHER, requestFor('alpha', 3))).toMatch(/^(?:CONTENT-CHURN|SIGN-RATE)$/u);
    writeList(1);
    keyholder.reload();
    core.policySerial = rig.listSerial;
    for (let count = 2; count <= SETS + 1; count += 1)
      expect(await sign(OTHER_PUBLISHER, requestFor('alpha', count))).toBe('signed');
    expect(await sign(OTHER_PUBLISHER, requestFor('alpha', 1))).toBe('CONTENT-CHURN');
  });
});
