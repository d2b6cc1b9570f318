import PQueue from 'p-queue';
import { parseConfig } from '../../src/publisher/config.ts';
import type { Context } from '../../src/publisher/context.ts';
import { createLog, PublisherLog } from '../../src/publisher/log.ts';
import { Shelf } from '../../src/publisher/shelf.ts';
import { startState } from '../../src/publisher/state.ts';

/** What the parts of a publisher share, with a real shelf in `folder`, one signer `toy`, and no tor. */
export function makeContext(folder: string, now: () => number): Context {
  const queue = new PQueue();
  return {
    config: parseConfig(`signers: ["unix:${folder}/signer.sock"]\nstate: ${folder}\n`),
    dryRun: false,
    log: new PublisherLog(createLog('silent')),
    now,
    random: () => 0.5,
    rng: () => 0,
    signal: new AbortController().signal,
    shelf: Shelf.open(folder, { readOnly: false }),
    state: startState(undefined, ['toy'], now()),
    queues: { fetch: queue, upload: queue, probe: queue },
    tor: () => undefined,
    view: () => undefined,
    wake: () => undefined,
    save: () => undefined,
    saveNow: () => undefined,
  };
}
