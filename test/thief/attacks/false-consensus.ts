import { publishablePeriods } from '../../../src/descriptor/index.ts';
import { newRequestId, nowSeconds } from '../../e2e/daemon/backends.ts';
import { ask } from '../../e2e/daemon/http.ts';
import { type Attack, mustHold, mustRefuse } from '../attack.ts';
import type { SignAnswer } from '../../../src/signer/contract/requests.ts';

const LIES = {
  votingInterval: 3600,
  periodLength: 1440,
  hsdir_interval: 30,
  now: 0,
  consensus: 'network-status-version 3',
};

/** The publisher says what it likes about period, interval and time: there is no place for it, and nothing changes. */
export const falseConsensus: Attack = {
  ids: ['T3'],
  title: 'a false consensus',
  run: async thief => {
    const request = await thief.honestRequest();
    for (const [field, value] of Object.entries(LIES)) {
      const body = { ...request, id: newRequestId(), [field]: value };
      mustRefuse(`the field ${field}`, await thief.askPatiently(body), 'REQUEST_SCHEMA');
    }
    const headers = {
      'content-type': 'application/json',
      date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      'x-consensus': '1',
    };
    const before = nowSeconds();
    const lied = await ask(thief.stage.socket, {
      headers,
      body: JSON.stringify({ ...request, id: newRequestId() }),
    });
    const answers = [
      ...(lied.status === 200 ? [JSON.parse(lied.body) as SignAnswer] : []),
      await thief.honest(),
    ];
    for (const { useFrom, period } of answers.flatMap(({ descriptors }) => descriptors)) {
      const due = publishablePeriods(thief.profile, useFrom);
      mustHold(useFrom >= before - 2, 'a text is of the time that the thief named');
      mustHold(
        due.some(each => each.periodNum === period.periodNum && each.lengthMinutes === period.lengthMinutes),
        `a text is of period ${period.periodNum}, which nobody publishes at ${useFrom}`,
      );
    }
    return 'REQUEST_SCHEMA; periods and times stay the signer’s own';
  },
};
