import type { NetworkProfile } from '../../../src/descriptor/index.ts';
import type { TorNetwork } from '../../tor-network/tor-network.ts';
import type { Verdicts } from './disagree.ts';
import { makeMutants } from './make.ts';
import { judgeOurs, judgeStem } from './readers.ts';
import { TorJudge } from './tor-judge.ts';

/** What three readers make of the first `count` mutants of a seed. */
export async function differ(
  network: TorNetwork,
  profile: NetworkProfile,
  seed: string,
  count: number,
): Promise<{ readonly all: Verdicts[]; readonly lost: number }> {
  const mutants = makeMutants(seed, count);
  const judge = await TorJudge.open(network, profile);
  try {
    const judged = await judge.judgeAll(mutants);
    const stem = await judgeStem(judged.map(({ made }) => made));
    const all = judged.map(({ made, ...tor }, index) => {
      const { serial, kind } = mutants[index]!;
      return { serial, kind: kind.name, made, tor, stem: stem[index]!, ours: judgeOurs(made) };
    });
    return { all, lost: judge.lost };
  } finally {
    judge.close();
  }
}
