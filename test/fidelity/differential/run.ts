/**
 * Has stock tor on a private network, stem and our reader judge mutants of descriptors and prints the reasons of their
 * disagreements with counts, as docs/fidelity.md has them. Arguments: how many, 2500 when not given, and the seed.
 */
import { testNetwork } from '../../../src/descriptor/time.ts';
import { startTorNetwork } from '../../tor-network/tor-network.ts';
import { differ } from './differ.ts';
import { disagreementsOf, explain } from './disagree.ts';
import { REASONS, formatRow } from './reasons.ts';

const VOTING_INTERVAL = 10;
const [, , count = '2500', seed = 'differential'] = process.argv;

const network = await startTorNetwork({
  backends: 0,
  votingIntervalSeconds: VOTING_INTERVAL,
  consensusParams: 'sparse',
});
try {
  const { all, lost } = await differ(network, testNetwork('private', VOTING_INTERVAL), seed, Number(count));
  const { counts, unexplained } = explain(all, REASONS);
  const agreed = all.filter(each => disagreementsOf(each).length === 0);
  const taken = agreed.filter(({ ours }) => ours.whole === 'taken').length;
  const rows = REASONS.map(reason => formatRow(reason, counts.get(reason.id)));
  const sums = `${all.length} mutants: ${taken} taken by all three, ${agreed.length - taken} refused by all three`;
  process.stdout.write(
    `${[...rows, sums, `${lost} lost answers asked for again`, ...unexplained].join('\n')}\n`,
  );
  process.exitCode = unexplained.length === 0 ? 0 : 1;
} finally {
  await network.stop();
}
