import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import { SignerError } from '../../src/signer/contract/problems.ts';
import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { explainRequest, type RequestExplanation } from '../../src/signer/explain-request.ts';
import { checkDescriptor, signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { storedCore } from '../../src/signer/stored-core.ts';
import { encodePolicy } from '../../src/signer/policy/types.ts';
import { backendDescriptor, createRig, now, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, OTHER_PUBLISHER, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;

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
  // What the keyholder refuses counts against the rate, and each journal is new to the seconds it spent before.
  await nextSecond();
  core = new CoreRig(rig, keyholder, '{ points: 2..4, min_backends: 1, requests: 2/h }');
});
afterEach(() => core.dispose());

const nextSecond = (): Promise<unknown> =>
  new Promise(resolve => setTimeout(resolve, 1000 - (Date.now() % 1000)));

const explain = (request: SignRequest, publisher?: string): Promise<RequestExplanation> =>
  explainRequest(core.core, publisher, request);
const refusals = ({ findings }: RequestExplanation): string[] => findings.map(each => each.refusedBy);

const sha256Hex = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** What any request could change. */
const traces = (): unknown => ({
  entries: [...core.core.journal.archive.entries()].map(({ entry }) => entry.kind),
  evidence: [...core.core.evidence.of(PUBLISHER).proven('alpha').keys()],
  asked: core.asked.filter(name => name !== 'status'),
});

/** A request of two points that was signed. */
async function signed(request: SignRequest): Promise<void> {
  for (;;) {
    try {
      const outcome = await signDescriptor(core.core, PUBLISHER, request);
      if (outcome.kind === 'signed') return;
      if (outcome.denied.rule !== 'ONE-PER-SECOND') throw new Error(outcome.denied.rule);
    } catch (error) {
      if (!(error instanceof SignerError && error.code === 'SECOND_SPENT')) throw error;
    }
    await nextSecond();
  }
}

describe('a request that is explained', () => {
  it('would be signed, and leaves no trace; signed it leaves some', async () => {
    const [request, before] = [core.request(), traces()];
    const said = await explain(request);
    expect(said).toMatchObject({ kind: 'request', publisher: PUBLISHER, outcome: 'signed', findings: [] });
    expect(said.descriptors).toBeGreaterThan(0);
    expect(traces()).toEqual(before);
    await signed(request);
    expect(traces()).not.toEqual(before);
    expect(await explain(request)).toMatchObject({ outcome: 'repeated', descriptors: 0, findings: [] });
    expect(refusals(await explain({ ...request, points: request.points.toReversed() }))).toContain(
      'REQUEST_ID_REUSED',
    );
  });

  it('names the rule that refuses first, as the dry run does, and all others', async () => {
    const request = core.request();
    const [point] = request.points;
    if (point === undefined) throw new Error('no point');
    const bad = { ...request, points: Array.from({ length: 5 }, () => point) };
    const said = await explain(bad);
    expect(said.outcome).toBe('refused');
    expect(said.findings[0]).toMatchObject({ refusedBy: 'POINT-COUNT', observed: '5', limit: '2..4' });
    expect(refusals(said)).toEqual(['POINT-COUNT', 'POINT-UNIQUE']);
    for (const { advice, title } of said.findings) expect(`${title}${advice}`).toMatch(/\w+ \w+/u);
    const checked = await checkDescriptor(core.core, PUBLISHER, bad);
    expect(checked).toMatchObject({ kind: 'denied', denied: { rule: said.findings[0]?.refusedBy } });
  });

  it('of another publisher or service is refused in the words of policy', async () => {
    expect(refusals(await explain(core.request(), OTHER_PUBLISHER))).toEqual(['PUBLISHER-SERVICE']);
    const unknown = await explain(core.request({ service: 'gamma' }));
    expect([refusals(unknown), unknown.publisher]).toEqual([['PUBLISHER-SERVICE'], '']);
  });

  it('with evidence that is broken, unknown or old is told so', async () => {
    const good = core.request();
    const broken = { ...good, evidence: ['hs-descriptor 4\n', ...good.evidence] };
    const unproven = await explain(broken);
    expect(refusals(unproven)).toEqual(['EVIDENCE_INVALID']);
    expect(unproven.findings[0]?.evidence).toBe(sha256Hex('hs-descriptor 4\n'));
    expect(unproven.findings[0]?.advice).toMatch(
      /^a descriptor .* fails with MISSING_ITEM: fetch the backend's descriptor again and send it whole$/u,
    );
    const strange = Buffer.from(backendDescriptor('b1')).toString('latin1');
    const [foreign] = (await explain({ ...good, evidence: [strange, ...good.evidence] })).findings;
    expect(foreign?.advice).toMatch(/ fails with WRONG_KEY: send what enabled backends /u);
    const unsent = await explain({ ...good, evidence: [] });
    expect(refusals(unsent)).toEqual(['EVIDENCE_UNKNOWN', 'INTRO-PROVENANCE', 'MIN-BACKENDS']);
    const old = backendDescriptor('a1', { at: now() - 5 * 3600 });
    const request = core.request();
    const text = Buffer.from(old).toString('latin1');
    const evidence = sha256Hex(old);
    const stale = {
      ...request,
      evidence: [...request.evidence, text],
      points: [...request.points, { evidence, index: 1 }],
    };
    const said = refusals(await explain(stale));
    const checked = await checkDescriptor(core.core, PUBLISHER, stale);
    expect(said[0]).toBe(checked.kind === 'denied' ? checked.denied.rule : 'approved');
    expect(said).toContain('EVIDENCE-AGE');
  });

  it('beyond its rate is refused, and explaining does not count', async () => {
    for (let i = 0; i < 5; i++) expect((await explain(core.request())).outcome).toBe('signed');
    await signed(core.request());
    expect((await explain(core.request())).outcome).toBe('signed');
    await signed(core.request());
    expect((await explain(core.request())).findings).toMatchObject([
      { refusedBy: 'SIGN-RATE', observed: '2 in the last hour', limit: '2/h' },
    ]);
  });

  it('is told of measures, a stopped service, a token that is away, and a halt', async () => {
    const { journal, latched } = core.core;
    core.core.latched.add('alpha');
    core.editStatus = state => ({
      ...state,
      services: state.services.map(each => ({ ...each, certifiedUntil: 0 })),
    });
    await journal.measures.record({ kind: 'frozen', service: 'alpha' }, now());
    const said = refusals(await explain(core.request()));
    expect(said).toEqual(['FROZEN', 'SERVICE_LATCHED', 'CUSTODY_UNAVAILABLE']);
    latched.clear();
    await journal.measures.record({ kind: 'evicted', publisher: PUBLISHER }, now());
    expect(refusals(await explain(core.request()))[0]).toBe('PUBLISHER_UNKNOWN');
    await journal.measures.record({ kind: 'readmitted', publisher: PUBLISHER }, now());
    await journal.measures.record({ kind: 'thawed', service: 'alpha' }, now());
    expect(refusals(await explain(core.request()))).toEqual(['CUSTODY_UNAVAILABLE']);
    core.editStatus = state => state;
    const halted = new SignerError('CHECKPOINT_AHEAD', 'recover');
    const stopped = await explainRequest(core.core, undefined, core.request(), { halted });
    expect(refusals(stopped)).toEqual(['CHECKPOINT_AHEAD']);
    expect((await explain(core.request())).outcome).toBe('signed');
  });

  it('does not halt the signer by the checkpoint in it, and says that it was not judged', async () => {
    const said = await explain(core.request({ checkpoint: 'nonsense' }));
    expect([said.outcome, said.notJudged.some(each => each.includes('checkpoint'))]).toEqual([
      'signed',
      true,
    ]);
    expect((await explain(core.request())).notJudged.some(each => each.includes('checkpoint'))).toBe(false);
  });

  it('is judged by the stored policy alone when the signer is stopped, with archived evidence', async () => {
    const { journal, policy, profile, runwaySeconds } = core.core;
    const request = core.request();
    const stored = (asked: SignRequest) => storedCore({ profile, runwaySeconds }, journal, asked);
    expect(() => stored(request)).toThrow(expect.objectContaining({ code: 'POLICY_EMPTY' }));
    await journal.policies.apply(7, encodePolicy(policy()));
    const said = await explainRequest(stored(request), undefined, request);
    expect(said).toMatchObject({ outcome: 'signed', policySerial: 7 });
    const unsent = { ...request, id: core.request().id, evidence: [] };
    expect(refusals(await explainRequest(stored(unsent), undefined, unsent))[0]).toBe('EVIDENCE_UNKNOWN');
    await signed(request);
    expect((await explainRequest(stored(unsent), undefined, unsent)).outcome).toBe('signed');
  });

  it('needs the name of its publisher where there are several', async () => {
    const inForce = core.core.policy();
    const [alpha] = inForce.services;
    if (alpha === undefined) throw new Error('no service');
    const policy = () => ({ ...inForce, services: [{ ...alpha, publishers: [PUBLISHER, OTHER_PUBLISHER] }] });
    const ask = (publisher?: string) => explainRequest({ ...core.core, policy }, publisher, core.request());
    expect(await rejection(ask())).toMatchObject({ code: 'REQUEST_SCHEMA' });
    expect(await ask(OTHER_PUBLISHER)).toMatchObject({ outcome: 'signed', publisher: OTHER_PUBLISHER });
  });
});
