import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseOnionAddress, TOR_NETWORK } from '../../src/descriptor/index.ts';
import { Publication } from '../../src/publisher/publication.ts';
import type { ShelfEntry } from '../../src/publisher/shelf.ts';
import { newServiceState } from '../../src/publisher/state.ts';
import { timingOf } from '../../src/publisher/timing.ts';
import { NOON, PERIOD } from '../descriptor/forge.ts';
import { makeContext } from './make-context.ts';
import { ToySigner } from './toy-signer.ts';

const entry = (useFrom: number, settings: number): ShelfEntry => ({
  descriptor: { period: PERIOD, variant: 0, useFrom, revisionCounter: `${useFrom}`, text: 'a text\n' },
  points: 'p',
  settings,
  signedAt: NOON,
});

it('A text of other settings than policy has now leaves the shelf, and is served no more.', () => {
  const folder = mkdtempSync(join(tmpdir(), 'publication-'));
  const { description } = new ToySigner({ socket: '', profile: TOR_NETWORK, backends: [] });
  const { address, service } = description;
  const context = makeContext(folder, () => NOON);
  const state = newServiceState('toy', { ...description, settings: 2 });
  const timing = timingOf(TOR_NETWORK);
  const publication = new Publication(context, state, TOR_NETWORK, timing, parseOnionAddress(address));
  const put = (...entries: ShelfEntry[]): void => context.shelf.put(service, entries, () => false);
  const serve = (counter: number): void => {
    const serving = { useFrom: counter, counter: `${counter}`, points: 'p', since: NOON, nextAt: NOON + 1 };
    const period = { ring: [], hsdirs: {}, until: NOON + 7200 };
    state.periods[PERIOD.periodNum] = { ...period, serving: { ...serving, reason: 'first' } };
  };
  const kept = (): unknown => [
    context.shelf.entries(service).map(({ settings }) => settings),
    state.periods[PERIOD.periodNum]?.serving?.counter,
  ];

  put(entry(NOON, 2), entry(NOON + 60, 2));
  serve(NOON);
  publication.prune(NOON);
  expect(kept()).toEqual([[2, 2], `${NOON}`]);
  expect(state.shelfLastsUntil).toBeGreaterThan(NOON + 60);

  put(entry(NOON, 1), entry(NOON + 60, 2), entry(NOON + 120, 3));
  publication.prune(NOON);
  expect(kept()).toEqual([[2], undefined]);

  state.description = { ...state.description, settings: 3 };
  publication.prune(NOON);
  expect([kept(), state.shelfLastsUntil]).toEqual([[[], undefined], undefined]);
  rmSync(folder, { recursive: true });
});
