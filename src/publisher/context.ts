import type PQueue from 'p-queue';
import type { Rng } from './choose.ts';
import type { PublisherConfig } from './config.ts';
import type { ControlPort } from './control/commands.ts';
import type { PublisherLog } from './log.ts';
import type { NetworkView } from './network-view.ts';
import type { Random } from './plan.ts';
import type { Shelf } from './shelf.ts';
import type { PublisherState } from './state.ts';

/** What every part of a running publisher shares. `now` gives Unix seconds. */
export type Context = {
  readonly config: PublisherConfig;
  readonly dryRun: boolean;
  readonly log: PublisherLog;
  readonly now: () => number;
  readonly random: Random;
  readonly rng: Rng;
  readonly signal: AbortSignal;
  readonly shelf: Shelf;
  readonly state: PublisherState;
  /** Pacing: one tor carries all of it. */
  readonly queues: { readonly fetch: PQueue; readonly upload: PQueue; readonly probe: PQueue };
  /** The connection to tor, while there is one. */
  readonly tor: () => ControlPort | undefined;
  /** The newest consensus that was read. */
  readonly view: () => NetworkView | undefined;
  /** Runs the loop soon. */
  readonly wake: () => void;
  /** Writes the state file soon. */
  readonly save: () => void;
  /** Writes the state file now. */
  readonly saveNow: () => void;
};

/** Runs a task in a queue. Whatever it throws is logged by its code and stays there: no task stops another. */
export function launch(
  context: Context,
  queue: PQueue,
  what: { readonly task: string; readonly service: string },
  task: () => Promise<void>,
): void {
  queue
    .add(async () => {
      if (!context.signal.aborted) await task();
    })
    .catch((thrown: unknown) => {
      if (!context.signal.aborted)
        context.log.failure(`${what.task} failed`, thrown, { service: what.service });
    })
    .finally(() => context.wake());
}
