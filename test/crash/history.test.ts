import { describe, expect, test } from 'vitest';
import { History, type JournalView } from './history.ts';

const TEXT = { service: 'a', periodNum: 1, variant: 0, revisionCounter: 7n, digest: 'x' };
const ANSWER = {
  id: 'one',
  service: 'a',
  address: 'a.onion',
  settings: 1,
  descriptors: [],
  checkpoint: 'note',
};
const HEAD = { size: 5, root: 'five' };
const WHOLE: JournalView = {
  size: 9,
  rootAt: size => (size === 5 ? 'five' : 'other'),
  holds: digest => digest === 'x',
};

function seen(act: (history: History) => void): readonly string[] {
  const history = new History();
  act(history);
  return history.findings;
}

describe('the judge of a signer that was killed', () => {
  test('finds nothing in a history without fault', () => {
    const findings = seen(history => {
      history.made(TEXT);
      history.made(TEXT);
      history.made({ ...TEXT, revisionCounter: 8n, digest: 'y' });
      history.made({ ...TEXT, periodNum: 2, digest: 'y' });
      history.answered(ANSWER, ['x'], HEAD);
      history.answered({ ...ANSWER, checkpoint: 'newer' }, ['x'], { size: 6, root: 'six' });
    });
    expect(findings).toEqual([]);
    const compared = seen(history => {
      history.answered(ANSWER, ['x'], HEAD);
      history.compare(WHOLE);
    });
    expect(compared).toEqual([]);
  });

  test.each<[string, (history: History) => void]>([
    ['two texts for one counter', history => [history.made(TEXT), history.made({ ...TEXT, digest: 'y' })]],
    [
      'another answer for one id',
      history => {
        history.answered(ANSWER, [], HEAD);
        history.answered({ ...ANSWER, address: 'b.onion' }, [], HEAD);
      },
    ],
    [
      'a head that goes back',
      history => {
        history.answered(ANSWER, [], HEAD);
        history.answered({ ...ANSWER, id: 'two' }, [], { size: 4, root: 'four' });
      },
    ],
    [
      'two heads of one size',
      history => {
        history.answered(ANSWER, [], HEAD);
        history.answered({ ...ANSWER, id: 'two' }, [], { size: 5, root: 'fork' });
      },
    ],
    [
      'a released text that the journal lost',
      history => {
        history.answered(ANSWER, ['y'], HEAD);
        history.compare(WHOLE);
      },
    ],
    [
      'a journal of another history',
      history => {
        history.answered(ANSWER, ['x'], { size: 6, root: 'six' });
        history.compare(WHOLE);
      },
    ],
  ])('finds %s', (_, act) => {
    expect(seen(act)).toHaveLength(1);
  });
});
