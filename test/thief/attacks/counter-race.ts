import { setTimeout } from 'node:timers/promises';
import type { SignAnswer } from '../../../src/signer/contract/requests.ts';
import { newRequestId, nowSeconds } from '../../e2e/daemon/backends.ts';
import { type Attack, mustHold, refusalOf } from '../attack.ts';
import type { Thief } from '../thief.ts';

const REQUESTS = 100;
const ROUNDS = 20;
const WANTED = ['REQUEST_IN_FLIGHT', 'OVERLOADED', 'SECOND_SPENT', 'ONE-PER-SECOND'];

/** On a fast machine all rounds would fall into one second that is spent. */
const nextSecond = (): Promise<unknown> => setTimeout(1000 - (Date.now() % 1000));

async function race(thief: Thief): Promise<SignAnswer[]> {
  const request = await thief.honestRequest();
  const settled = await Promise.allSettled(
    Array.from({ length: REQUESTS }, async () => await thief.ask({ ...request, id: newRequestId() })),
  );
  // Beyond sixteen connections a publisher is turned away without a word.
  const answers = settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []));
  const refused = answers.flatMap(answer => refusalOf(answer) ?? []);
  for (const refusal of refused) mustHold(WANTED.includes(refusal), `one of a hundred ended with ${refusal}`);
  return answers.filter(({ status }) => status === 200).map(({ body }) => JSON.parse(body) as SignAnswer);
}

/** A hundred requests at once: each second is spent once, no counter has two texts, and none runs ahead of its second. */
export const counterRace: Attack = {
  ids: ['R1'],
  title: 'a hundred requests in one second',
  run: async thief => {
    const began = nowSeconds();
    const signed: SignAnswer[] = [];
    // The honest request before may have spent this very second.
    for (let round = 0; signed.length === 0 && round < ROUNDS; round++) {
      if (round > 0) await nextSecond();
      signed.push(...(await race(thief)));
    }
    const seconds = nowSeconds() - began;
    mustHold(signed.length >= 1, 'none was served');
    mustHold(signed.length <= seconds + 1, `${signed.length} were signed in ${seconds} s`);
    const texts = new Map<string, string>();
    for (const { period, revisionCounter, useFrom, text } of signed.flatMap(each => each.descriptors)) {
      const counter = `${period.periodNum} ${revisionCounter}`;
      mustHold((texts.get(counter) ?? text) === text, 'one counter has two texts');
      texts.set(counter, text);
      const runway = useFrom - nowSeconds();
      mustHold(runway <= 40, `a text is of a second ${runway} s ahead`);
    }
    return `${signed.length} signed in ${seconds} s, the rest told to wait; no counter twice`;
  },
};
