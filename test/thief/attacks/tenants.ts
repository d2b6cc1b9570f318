import { newRequestId } from '../../e2e/daemon/backends.ts';
import { ask, type HttpAnswer } from '../../e2e/daemon/http.ts';
import { type Attack, mustHold, mustRefuse } from '../attack.ts';
import { neighbourRequest } from '../neighbour-request.ts';
import { NEIGHBOUR, type Thief } from '../thief.ts';

/** What can be compared of an answer: everything but the time. */
const shown = ({ status, headers, body }: HttpAnswer): string =>
  JSON.stringify([status, { ...headers, date: '' }, body]);

async function probe(thief: Thief, service: string, id = newRequestId()): Promise<HttpAnswer> {
  const body = JSON.stringify({ ...(await thief.honestRequest()), service, id });
  const headers = { 'content-type': 'application/json', 'x-request-id': 'probe' };
  for (const path of ['/v1/descriptors/check', '/v1/descriptors']) {
    const answer = await ask(thief.stage.socket, { path, headers, body });
    mustRefuse(`${path} for ${service}`, answer, 'SERVICE_UNKNOWN');
    if (path === '/v1/descriptors') return answer;
  }
  throw new Error('unreachable');
}

/** Another tenant's service, request ids and stored answers: what is forbidden looks like what does not exist. */
export const tenants: Attack = {
  ids: ['O3'],
  title: 'what other tenants have',
  run: async thief => {
    await thief.silencePublisher();
    const request = neighbourRequest(thief, NEIGHBOUR);
    const { id } = await thief.sign(request, NEIGHBOUR.publisher);
    const unknown = shown(await probe(thief, 'nowhere'));
    mustHold(
      shown(await probe(thief, NEIGHBOUR.service)) === unknown,
      'a forbidden service can be told from none',
    );
    mustHold(
      shown(await probe(thief, NEIGHBOUR.service, id)) === unknown,
      'an id of another tenant is known',
    );
    // The same id of the thief's own is a request like any other.
    await thief.sign({ ...(await thief.honestRequest()), id });
    const everything = JSON.stringify([await thief.read('/v1/services'), await thief.read('/v1/status')]);
    mustHold(everything.includes(thief.stage.service), 'the thief does not see its own service');
    mustHold(!everything.includes(NEIGHBOUR.service), 'another tenant is named');
    return 'SERVICE_UNKNOWN, byte for byte as for a service that does not exist';
  },
};
