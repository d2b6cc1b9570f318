import { openDescriptor, parseOnionAddress, pointKey, timePeriod } from '../../../src/descriptor/index.ts';
import type { SignRequest } from '../../../src/signer/contract/requests.ts';
import { newRequestId } from '../../e2e/daemon/backends.ts';
import { type Attack, mustHold } from '../attack.ts';

/** Each directory gets other points: whichever text a client meets, its points are those of policy's backends. */
export const partition: Attack = {
  ids: ['R5'],
  title: 'another text for each directory',
  run: async thief => {
    const evidence = await thief.evidence();
    const true_ = new Set(evidence.flatMap(each => each.evidence.points.map(pointKey)));
    const request = await thief.honestRequest();
    const directories = await thief.directories();
    const kpHsId = parseOnionAddress(thief.stage.address);
    const taken: string[] = [];
    for (const [place, directory] of directories.slice(0, 3).entries()) {
      const points: SignRequest['points'] = request.points.filter((_, index) => index !== place);
      const { descriptors } = await thief.sign({ ...request, id: newRequestId(), points });
      for (const { text, period } of descriptors.slice(0, 2)) {
        const periods = [timePeriod(thief.profile, period.periodNum)];
        const { inner } = openDescriptor(Buffer.from(text, 'latin1'), { kpHsId, periods });
        const named = inner?.introductionPoints ?? [];
        mustHold(
          named.length === points.length && named.every(each => true_.has(pointKey(each))),
          'a strange point',
        );
        taken.push(await thief.upload(text, directory));
      }
    }
    const names = thief.stage.network.backends.map(({ name }) => name);
    await thief.stage.network.newnym();
    for (let visit = 1; visit <= 3; visit++) {
      const { body } = await thief.stage.network.fetch(thief.stage.address, '/', {
        isolation: `split-${visit}-${newRequestId()}`,
      });
      mustHold(names.includes(body), 'a client was sent elsewhere');
    }
    return `clients still meet only backends of policy (uploads: ${[...new Set(taken)].join(', ')})`;
  },
};
