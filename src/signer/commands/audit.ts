import { type Command, InvalidArgumentError } from 'commander';
import { formatOnionAddress, parseOnionAddress } from '../../descriptor/index.ts';
import { exportBundle, openBundle } from '../audit/bundle.ts';
import { daemonSource } from '../audit/daemon-source.ts';
import { journalSource } from '../audit/journal-source.ts';
import { proveConsistency, proveEntry } from '../audit/proofs.ts';
import type { AuditSource } from '../audit/source.ts';
import { auditExitCode, type OutsideNote, verifyAudit } from '../audit/verify.ts';
import { journalPath } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import { parseCheckpoint, parseSignedNote } from '../contract/signed-note.ts';
import { openJournal } from '../journal/journal.ts';
import { readFileBytes } from '../program/read-file.ts';
import { formatReport, showEntries } from './audit-text.ts';
import type { CommandContext } from './context.ts';

const MAX_NOTE_BYTES = 16_384;
const FOLDER = 'an exported folder instead of the journal of this signer';

interface SourceOptions {
  readonly bundle?: string;
  readonly json?: boolean;
}

/** `audit verify`, `show`, `prove`, `export`: with public keys only; of the running daemon, a stopped one, or a folder. */
export function addAuditCommands(program: Command, context: CommandContext): void {
  const audit = program
    .command('audit')
    .description('what was signed, shown and proven with public keys alone');
  addVerify(audit, context);
  addShow(audit, context);
  addProve(audit, context);
  audit
    .command('export')
    .description('write the journal as a folder that others can check; it names your backends')
    .argument('<folder>', 'made new')
    .action(async (folder: string) => {
      await withSource(context, {}, async source => {
        const size = await exportBundle(source, folder);
        context.print(
          `${folder}: ${size} entries; next: ${context.command(`audit verify --bundle ${folder}`)}\n`,
        );
      });
    });
}

function addVerify(audit: Command, context: CommandContext): void {
  audit
    .command('verify')
    .description(
      'check entries, tree, checkpoints, keys and texts; exit 0 it holds, 1 not all can be told, 2 it does not',
    )
    .option('--bundle <folder>', FOLDER)
    .option('--address <onion>', 'this identity must vouch for the key that signs now', readAddress)
    .option('--checkpoint <file>', 'a checkpoint that was kept elsewhere (repeatable)', collect)
    .option('--json', 'for programs')
    .action(async (options: SourceOptions & { address?: string; checkpoint?: readonly string[] }) => {
      const outside = options.checkpoint?.map(readOutside);
      await withSource(context, options, async source => {
        const report = await verifyAudit(source, { address: options.address, outside });
        context.print(options.json === true ? `${JSON.stringify(report)}\n` : formatReport(report));
        process.exitCode = auditExitCode(report);
      });
    });
}

function addShow(audit: Command, context: CommandContext): void {
  audit
    .command('show')
    .description('list the entries; believes the journal: see verify')
    .option('--bundle <folder>', FOLDER)
    .option('--service <name>', 'of this service only')
    .option('--since <time>', 'Unix seconds, or a date such as 2026-01-31 or 2026-01-31T12:00Z', readTime)
    .option('--json', 'one object a line')
    .action(async (options: SourceOptions & { service?: string; since?: number }) => {
      await withSource(context, options, async source => {
        const notice = (line: string): void => void process.stderr.write(line);
        for await (const line of showEntries(source, options, notice)) context.print(line);
      });
    });
}

function addProve(audit: Command, context: CommandContext): void {
  audit
    .command('prove')
    .description('one entry and its inclusion (c2sp.org/tlog-proof), or that one head continues another')
    .argument('[index]', 'the entry', readCount)
    .option('--from <size>', 'the older head', readCount)
    .option('--to <size>', 'the newer head; the newest checkpoint when not given', readCount)
    .option('--bundle <folder>', FOLDER)
    .option('--json', 'for programs')
    .action(async (index: number | undefined, options: SourceOptions & { from?: number; to?: number }) => {
      const { from, to, json } = options;
      if ((index === undefined) === (from === undefined) || (index !== undefined && to !== undefined))
        throw new SignerError('BAD_VALUE', 'name an entry, or --from SIZE [--to SIZE]');
      await withSource(context, options, async source => {
        if (index !== undefined) {
          const proven = await proveEntry(source, index);
          // The entry on a line of its own before the proof: JSON without line feeds.
          context.print(json === true ? `${JSON.stringify(proven)}\n` : `${proven.entry}\n${proven.proof}`);
          return;
        }
        const proof = await proveConsistency(source, from ?? 0, to ?? newestSize(source));
        context.print(json === true ? `${JSON.stringify({ proof })}\n` : proof);
      });
    });
}

/** SignerError FILE_UNREADABLE, NOTE_FORMAT: what is no checkpoint says nothing of the log. */
function readOutside(path: string): OutsideNote {
  const bytes = readFileBytes(path, MAX_NOTE_BYTES);
  try {
    const note = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parseCheckpoint(parseSignedNote(note).text);
    return { name: path, note };
  } catch (cause) {
    const message = `${path}: this is no checkpoint; give the text as it came`;
    throw new SignerError('NOTE_FORMAT', message, { cause, file: path });
  }
}

function newestSize({ checkpoints }: AuditSource): number {
  const newest = checkpoints.at(-1);
  if (newest === undefined) throw new SignerError('LOG_PROOF', 'no head is signed yet: name --to SIZE');
  return parseCheckpoint(parseSignedNote(newest).text).size;
}

async function withSource(
  context: CommandContext,
  { bundle }: SourceOptions,
  use: (source: AuditSource) => Promise<void>,
): Promise<void> {
  const source = bundle === undefined ? await ownSource(context) : openBundle(bundle);
  try {
    await use(source);
  } finally {
    source.close();
  }
}

async function ownSource(context: CommandContext): Promise<AuditSource> {
  const config = context.config();
  const running = await daemonSource(config);
  if (running !== undefined) return running;
  const journal = openJournal({ path: journalPath(config), now: () => Math.floor(Date.now() / 1000) });
  return journalSource(journal);
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function readCount(text: string): number {
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) throw new InvalidArgumentError('use a whole number');
  return Number(text);
}

function readTime(text: string): number {
  if (/^[0-9]{1,12}$/.test(text)) return Number(text);
  const time = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new InvalidArgumentError('use Unix seconds or a date');
  return time / 1000;
}

function readAddress(text: string): string {
  try {
    return formatOnionAddress(parseOnionAddress(text));
  } catch {
    throw new InvalidArgumentError('use an onion address of 56 characters');
  }
}
