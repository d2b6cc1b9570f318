import { certExpiryHours } from '../../../src/descriptor/index.ts';
import { backendDescriptor, nowSeconds, pointsOf, signRequest } from '../../e2e/daemon/backends.ts';
import { type Attack, mustRefuse } from '../attack.ts';
import { neighbourRequest } from '../neighbour-request.ts';
import { NEIGHBOUR } from '../thief.ts';

/** A backend that was taken over names a counter or an expiry of the future: refused, and its next word is taken. */
export const falseCounter: Attack = {
  ids: ['E9'],
  title: 'counter 2^64-1, or an expiry of next week, in evidence',
  run: async thief => {
    const [one, other] = NEIGHBOUR.backends;
    const honest = backendDescriptor(thief.profile, other);
    const forgeries = [
      { counter: 2n ** 64n - 1n },
      { expiryHours: certExpiryHours(nowSeconds()) + 168 },
      { expiryHours: certExpiryHours(nowSeconds()) + 2 },
    ];
    const ends: string[] = [];
    for (const forgery of forgeries) {
      const forged = backendDescriptor(thief.profile, one, forgery);
      const request = signRequest(NEIGHBOUR.service, [forged, honest], pointsOf([forged, 0, 1], [honest, 0]));
      const answer = await thief.askPatiently(request, NEIGHBOUR.publisher);
      ends.push(mustRefuse('a false time', answer, 'EVIDENCE_INVALID', 'EVIDENCE-AGE'));
    }
    await thief.sign(neighbourRequest(thief, NEIGHBOUR), NEIGHBOUR.publisher);
    return `${[...new Set(ends)].join(', ')}; the next true word of that backend is taken`;
  },
};
