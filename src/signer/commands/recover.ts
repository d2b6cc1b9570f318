import { CustodyError } from '../../pkcs11/error.ts';
import {
  connectKeyholder,
  initKeyholder,
  type KeyholderClient,
  type KeyholderStatus,
  spawnKeyholder,
} from '../../pkcs11/keyholder-client.ts';
import { journalPath, keyholderStatePath, type SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { openCheckpoint, parseNoteVerifier } from '../contract/signed-note.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { Recovery } from '../journal/standing.ts';
import { readConfigFile } from '../program/read-file.ts';
import type { CommandContext } from './context.ts';
import { readKeyholderList } from './list-file.ts';
import { confirmed } from './policy.ts';

export interface RecoverOptions {
  /** A file with a signed note. */
  readonly checkpoint?: string;
  readonly yes?: boolean;
}

/**
 * `init --recover`: makes one signer again of a journal that was put back to an older day and a keyholder that knows
 * better, or whose state is lost. The log goes on under a new checkpoint key, and no second is spent before every text
 * that may have been released is over. Repeatable. SignerError JOURNAL_*, DENIED, NOTE_*; CustodyError.
 */
export async function recoverSigner(context: CommandContext, options: RecoverOptions): Promise<void> {
  const config = context.config();
  const now = (): number => Math.floor(Date.now() / 1000);
  const journal = openJournal({ path: journalPath(config), now });
  try {
    const found = await lookAtKeyholder(config);
    checkOwnProcess(config, journal, found);
    const lost = readLost(options.checkpoint, journal, found);
    context.print(describe(config, journal, { found, lost }));
    if (options.yes !== true && !(await confirmed('Recover?')))
      throw new SignerError('DENIED', 'nothing was changed');
    if (config.keyholder.kind === 'child') await renewState(config, fenceOf(config, journal, now()));
    const { origin, fence } = await withKeyholder(config, async client => {
      const renewed = originOf(await client.status());
      // Read again: whatever was released until this moment ends before it.
      const raised = fenceOf(config, journal, now());
      // It holds the fence by itself, whatever core asks it, before the journal calls it the one of this log.
      await client.raiseFloor(raised);
      return { origin: renewed, fence: raised };
    });
    await journal.recovered({ origin, fence, lost });
    context.print(
      `recovered as ${origin}; nothing is signed before ${timeText(fence)}\n${nextStep(context, journal)}`,
    );
  } finally {
    journal.close();
  }
}

type Found = KeyholderStatus | CustodyError;

/** The keyholder as it is, or why it does not start: that is what a recovery is for. */
async function lookAtKeyholder(config: SignerConfig): Promise<Found> {
  try {
    return await withKeyholder(config, client => client.status());
  } catch (error) {
    if (error instanceof CustodyError) return error;
    throw error;
  }
}

async function withKeyholder<T>(
  config: SignerConfig,
  ask: (client: KeyholderClient) => Promise<T>,
): Promise<T> {
  const { keyholder, hostKey } = config;
  const client =
    keyholder.kind === 'unix'
      ? await connectKeyholder(keyholder.path)
      : await spawnKeyholder({
          state: keyholderStatePath(config),
          list: config.keyholderList,
          hostKey,
        });
  try {
    return await ask(client);
  } finally {
    await client.close();
  }
}

/** A keyholder that runs by itself keeps its state from us: its own operator makes the new one first. */
function checkOwnProcess({ keyholder }: SignerConfig, { standing }: Journal, found: Found): void {
  if (keyholder.kind === 'child') return;
  if (found instanceof CustodyError) throw found;
  if (originOf(found) !== standing.origin) return;
  throw new SignerError(
    'KEYHOLDER_REFUSED',
    'stop the keyholder, run its own `init --recover`, start it, then run this again',
  );
}

/** Above every second that may have been spent, those of texts after a fence too. */
const fenceOf = (config: SignerConfig, { measures }: Journal, now: number): number =>
  now + longestRunway(config) + measures.inForce.longestLead + 1;

/** With a fence from its first moment on. */
const renewState = (config: SignerConfig, fence: number): Promise<void> =>
  initKeyholder(
    { state: keyholderStatePath(config), hostKey: config.hostKey },
    { recover: true, fence, swapAccepted: config.isSwapAccepted },
  );

/** The checkpoint of the file, verified by the key that is about to go; else the one that halted the journal. */
function readLost(path: string | undefined, { standing }: Journal, found: Found): Recovery['lost'] {
  if (path === undefined) return standing.contradiction;
  if (found instanceof CustodyError) {
    const message = `without its key (${found.code}) the checkpoint proves nothing: leave --checkpoint out`;
    throw new SignerError('NOTE_UNVERIFIED', message, { cause: found });
  }
  const { size, rootHash } = openCheckpoint(readConfigFile(path), parseNoteVerifier(found.checkpointVkey));
  return { size, root: Buffer.from(rootHash).toString('hex') };
}

function describe(
  config: SignerConfig,
  journal: Journal,
  { found, lost }: { readonly found: Found; readonly lost: Recovery['lost'] },
): string {
  const { size } = journal.head();
  const state = found instanceof CustodyError ? `does not start (${found.code})` : 'starts';
  const gap = lost === null ? '' : `; a checkpoint knows of ${lost.size}`;
  const hours = Math.ceil(longestRunway(config) / 360) / 10;
  return [
    `journal: ${size} entries${gap}. keyholder: ${state}.`,
    'This will',
    config.keyholder.kind === 'child'
      ? '  - put the state of the keyholder aside and make a new one: its period keys go, and the token is opened again;'
      : '  - go on with the new state that the keyholder has, and have it spend every second before the fence;',
    `  - go on with the journal as it is, under a new checkpoint key, and write down that ${journal.standing.origin} ended;`,
    `  - sign nothing for the runway (${hours} h), in which publishers serve what they have.`,
    '',
  ].join('\n');
}

/** The one of the file, or the one that was applied last: texts of either may be out. */
const longestRunway = (config: SignerConfig): number =>
  Math.max(config.runwaySeconds, readKeyholderList(config)?.runwaySeconds ?? 0);

const originOf = ({ checkpointVkey }: KeyholderStatus): string => parseNoteVerifier(checkpointVkey).name;

function nextStep(context: CommandContext, journal: Journal): string {
  const { command } = context;
  const isInStep = readKeyholderList(context.config())?.serial === journal.policies.current()?.serial;
  const first = isInStep ? '' : `look through the policies, then ${command('policy apply')}, then `;
  return `next: ${first}${command('serve')}\n`;
}

const timeText = (seconds: number): string => new Date(seconds * 1000).toISOString();
