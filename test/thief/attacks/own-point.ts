import { parseOnionAddress, sha256, toHex } from '../../../src/descriptor/index.ts';
import { backendDescriptor, newRequestId } from '../../e2e/daemon/backends.ts';
import { type Attack, mustRefuse } from '../attack.ts';

/** Evidence that the thief made: of a backend of its own, or in the name of a true one, whose key it does not have. */
export const ownPoint: Attack = {
  ids: ['E10', 'E11'],
  title: 'an introduction point of the thief',
  run: async thief => {
    const request = await thief.honestRequest();
    const [victim] = thief.stage.network.backends;
    const [genuine] = await thief.evidence();
    if (victim === undefined || genuine === undefined) throw new Error('there is no backend');
    const inItsName = { kpHsId: parseOnionAddress(victim.address) };
    const forged = [
      backendDescriptor(thief.profile, 'thief'),
      backendDescriptor(thief.profile, 'thief', inItsName),
      // A true backend of another tenant, whose key the test has.
      backendDescriptor(thief.profile, 'far-1'),
    ];
    const texts = forged.map(({ text }) => text);
    // The true one, hardly changed.
    texts.push(genuine.text.replace('revision-counter ', 'revision-counter 0'), `${genuine.text}\n`);
    texts.push(
      genuine.text.replace(/\nsignature (.)/u, (_, first) => `\nsignature ${first === 'A' ? 'B' : 'A'}`),
    );
    for (const text of texts) {
      const point = { evidence: toHex(sha256(Buffer.from(text, 'latin1'))), index: 0 };
      const [, ...others] = request.points;
      const body = {
        ...request,
        id: newRequestId(),
        points: [point, ...others],
        evidence: [...request.evidence, text],
      };
      mustRefuse('a forged descriptor', await thief.askPatiently(body), 'EVIDENCE_INVALID');
    }
    const unknown = { evidence: 'ab'.repeat(32), index: 0 };
    const body = { ...request, id: newRequestId(), points: [unknown, ...request.points] };
    mustRefuse('a point of nowhere', await thief.askPatiently(body), 'EVIDENCE_UNKNOWN');
    const beyond = {
      ...request,
      id: newRequestId(),
      points: [{ evidence: genuine.evidence.digest, index: 19 }, ...request.points],
    };
    return mustRefuse('a point beyond the evidence', await thief.askPatiently(beyond), 'INTRO-PROVENANCE');
  },
};
