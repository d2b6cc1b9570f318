import { newRequestId } from '../../e2e/daemon/backends.ts';
import { type Attack, mustRefuse } from '../attack.ts';

/** Points of one backend only, of which the thief may own the host too. */
export const steering: Attack = {
  ids: ['E8'],
  title: 'all clients to one backend',
  run: async thief => {
    const request = await thief.honestRequest();
    const ends: string[] = [];
    for (const { backend, evidence } of await thief.evidence()) {
      const points = evidence.points.map((_, index) => ({ evidence: evidence.digest, index }));
      const answer = await thief.askPatiently({ ...request, id: newRequestId(), points });
      ends.push(mustRefuse(`only ${backend}`, answer, 'MIN-BACKENDS'));
    }
    return ends[0] ?? '';
  },
};
