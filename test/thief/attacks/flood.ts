import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { MAX_BODY_BYTES } from '../../../src/signer/contract/requests.ts';
import { ask, sayRaw } from '../../e2e/daemon/http.ts';
import { SMUGGLED } from '../../e2e/daemon/smuggled.ts';
import { type Attack, AttackSucceeded, mustHold, mustRefuse } from '../attack.ts';
import { neighbourRequest } from '../neighbour-request.ts';
import { BUDGETED, NEIGHBOUR, type Thief } from '../thief.ts';

const CONNECTIONS = 60;
const DENIALS = 200;

/** Requests that two readers of HTTP may read differently, and bodies without end: one answer, and the connection ends. */
export const smuggling: Attack = {
  ids: ['O2'],
  title: 'smuggled requests and oversized bodies',
  run: async thief => {
    const { socket } = thief.stage;
    for (const [what, bytes, status] of SMUGGLED) {
      const said = await sayRaw(socket, bytes);
      mustHold(said.split('HTTP/1.1 ').length === 2, `${what}: more than one answer`);
      mustHold(said.startsWith(`HTTP/1.1 ${status} `) && !said.includes('backends'), `${what}: answered`);
    }
    const body = ' '.repeat(MAX_BODY_BYTES + 1);
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    return `REQUEST_MALFORMED, ${mustRefuse('a large body', await ask(socket, { headers, body }), 'BODY_TOO_LARGE')}`;
  },
};

/** Every connection, a storm of denials and a used-up budget of one publisher: the others are served meanwhile. */
export const flood: Attack = {
  ids: ['O2'],
  title: 'a flood through the publisher’s door',
  run: async thief => {
    const held = holdConnections(thief);
    try {
      await Promise.race(
        held.map(async socket => {
          await once(socket, 'close');
        }),
      );
      await thief.sign(neighbourRequest(thief, NEIGHBOUR), NEIGHBOUR.publisher);
    } finally {
      for (const socket of held) socket.destroy();
    }
    const wrong = { ...(await thief.honestRequest()), service: 'nowhere' };
    for (let sent = 0; sent < DENIALS; sent++) {
      mustRefuse('a denial', await thief.ask(wrong), 'SERVICE_UNKNOWN', 'REQUEST_IN_FLIGHT', 'OVERLOADED');
    }
    await thief.sign(neighbourRequest(thief, NEIGHBOUR), NEIGHBOUR.publisher);
    return `${CONNECTIONS} connections and ${DENIALS} denials: another tenant was served all the time`;
  },
};

function holdConnections({ stage }: Thief): Socket[] {
  return Array.from({ length: CONNECTIONS }, () => connect(stage.socket).on('error', () => undefined));
}

/** The texts of an hour are counted: how finely clients can be told apart has an end. */
export const signRate: Attack = {
  ids: ['R5'],
  title: 'more texts than an hour has',
  run: async thief => {
    for (let signed = 0; signed < 20; signed++) {
      const answer = await thief.askPatiently(neighbourRequest(thief, BUDGETED), BUDGETED.publisher);
      if (answer.status === 200) continue;
      const rule = mustRefuse('one text too many', answer, 'SIGN-RATE');
      mustHold(signed <= 6, `${signed} were signed`);
      mustHold(answer.headers['retry-after'] !== undefined, 'nothing says when to come back');
      return `${rule} after ${signed}`;
    }
    throw new AttackSucceeded('twenty texts were signed in an hour that has six');
  },
};
