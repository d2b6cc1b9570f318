import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatOnionAddress, proveEvidence, TOR_NETWORK } from '../../src/descriptor/index.ts';
import { isLeftOut, type Offer } from '../../src/publisher/backend-watch.ts';
import { availablePoints } from '../../src/publisher/backends.ts';
import { SignerClient } from '../../src/publisher/signer-client.ts';
import { Signing } from '../../src/publisher/signing.ts';
import { newServiceState, type ServiceState } from '../../src/publisher/state.ts';
import { timingOf } from '../../src/publisher/timing.ts';
import { problemBody } from '../../src/signer/contract/problems.ts';
import { forge, NOON, PERIOD } from '../descriptor/forge.ts';
import { makeContext } from './make-context.ts';
import { ToySigner } from './toy-signer.ts';

const NAMES = ['b1', 'b2', 'b3'];
const BACKENDS = NAMES.map(name => {
  const { text, kpHsId } = forge({ label: name, points: 3 });
  const evidence = proveEvidence(text, { backend: kpHsId, profile: TOR_NETWORK, periods: [PERIOD] });
  const address = formatOnionAddress(kpHsId);
  return { name, address, descriptor: { evidence, text: Buffer.from(text).toString('utf8') } };
});

let folder: string;
let now: number;
let signer: ToySigner;
let client: SignerClient;
let state: ServiceState;
let signing: Signing;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signing-'));
  now = NOON + 600;
  const path = join(folder, 'signer.sock');
  signer = new ToySigner({
    socket: path,
    profile: TOR_NETWORK,
    backends: BACKENDS,
    now: () => now,
    ahead: 0,
  });
  await signer.start();
  const target = { kind: 'unix', path, name: 'toy' } as const;
  client = new SignerClient(target);
  state = newServiceState(target.name, signer.description);
  for (const name of NAMES) state.backends[name] = { points: 3, misses: 0 };
  signing = new Signing(
    makeContext(folder, () => now),
    state,
    TOR_NETWORK,
    timingOf(TOR_NETWORK),
  );
});
afterEach(async () => {
  client.close();
  await signer.stop();
  rmSync(folder, { recursive: true });
});

/** What these backends offer; those that are left out are not among them. */
function offerNow(): Offer {
  const heard = BACKENDS.filter(
    ({ name, descriptor }) => !isLeftOut(state.backends[name], descriptor.evidence.digest, now),
  );
  return {
    points: heard.flatMap(({ name, descriptor }) => availablePoints(name, descriptor)),
    texts: new Map(heard.map(({ descriptor }) => [descriptor.evidence.digest, descriptor.text])),
    allSilent: false,
  };
}

/** One round: the reason why the signer was asked and the backends that were asked for. */
async function round(): Promise<readonly [string, ...string[]] | undefined> {
  const offer = offerNow();
  const due = signing.plan(now, offer, [PERIOD.periodNum]);
  if (due === undefined) return undefined;
  await signing.ask(client, due.points, offer, due.reason);
  return [due.reason, ...[...new Set(due.points.map(({ backend }) => backend))].sort()];
}

describe('A backend whose descriptor the signer refuses', () => {
  it('is left out at once: the others are signed for, and it is tried again, less and less often.', async () => {
    signer.refused = 'b2';
    expect(await round()).toEqual(['first', 'b1', 'b2', 'b3']);
    expect([signing.again, signing.fault]).toEqual([true, undefined]);
    expect(state.backends['b2']?.refused).toEqual({
      code: 'EVIDENCE_INVALID',
      evidence: BACKENDS[1]?.descriptor.evidence.digest,
      failures: 1,
      until: now + 30,
    });
    expect(await round()).toEqual(['first', 'b1', 'b3']);
    expect([signing.again, state.points.length, state.backends['b1']?.refused]).toEqual([
      false,
      6,
      undefined,
    ]);
    expect(await round()).toBeUndefined();
    now += 30;
    expect(await round()).toEqual(['points-changed', 'b1', 'b2', 'b3']);
    expect(state.backends['b2']?.refused).toMatchObject({ failures: 2, until: now + 60 });
    expect(await round()).toBeUndefined();
    signer.refused = undefined;
    now += 60;
    expect(await round()).toEqual(['points-changed', 'b1', 'b2', 'b3']);
    expect([state.backends['b2']?.refused, state.points.length]).toEqual([undefined, 9]);
  });

  it('stops the service where too few are left, until it is tried again.', async () => {
    state.description = {
      ...state.description,
      limits: { minPoints: 1, maxPoints: 20, minBackends: 3, maxPointsPerBackend: 20 },
    };
    signer.refused = 'b1';
    expect(await round()).toEqual(['first', 'b1', 'b2', 'b3']);
    expect(await round()).toBeUndefined();
    expect([signing.again, signing.choice]).toEqual([
      false,
      { ok: false, rule: 'MIN-BACKENDS', observed: 2, limit: 3 },
    ]);
    now += 30;
    expect(await round()).toEqual(['first', 'b1', 'b2', 'b3']);
  });

  it('is tried at once when it has published anew.', async () => {
    signer.refused = 'b2';
    await round();
    const refused = state.backends['b2'];
    const digest = BACKENDS[1]?.descriptor.evidence.digest ?? '';
    expect(isLeftOut(refused, digest, now)).toBe(true);
    expect(isLeftOut(refused, '0'.repeat(64), now)).toBe(false);
    expect(isLeftOut(refused, digest, now + 30)).toBe(false);
  });

  it('is not believed to be at fault when what the signer names was not asked for.', async () => {
    signer.answer = (_, __, response) => {
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(problemBody('EVIDENCE_INVALID', { evidence: '0'.repeat(64) })));
      return true;
    };
    expect(await round()).toEqual(['first', 'b1', 'b2', 'b3']);
    expect(NAMES.map(name => state.backends[name]?.refused)).toEqual([undefined, undefined, undefined]);
    expect([signing.fault?.code, state.notBefore]).toEqual(['EVIDENCE_INVALID', now + 30]);
  });
});
