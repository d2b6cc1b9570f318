import type { Command } from 'commander';
import { askDaemon } from '../daemon-client.ts';
import { SignerError } from '../contract/problems.ts';
import type { ServiceStatus, StatusAnswer } from '../contract/requests.ts';
import { formatSize } from '../program/read-yaml.ts';
import { type Backups, type RecipientState, recipientState } from './backup-text.ts';
import type { CommandContext } from './context.ts';
import { at, custodyLines, openedLines, problemLines } from './custody-text.ts';

/** `status` and `config`: read only. */
export function addLookCommands(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('custody, exposure and readiness; exit 0 well, 1 degraded, 2 down')
    .option('--json', 'for programs')
    .action(async (options: { json?: boolean }) => {
      const answer = await askDaemon(context.config(), 'GET', '/status');
      if (answer === undefined)
        throw new SignerError('NOT_READY', `no daemon runs: ${context.command('serve')}`);
      if (answer.status !== 200)
        throw new SignerError('KEYHOLDER_UNAVAILABLE', 'the daemon cannot tell; see its log');
      const status = JSON.parse(answer.body.toString('utf8')) as StatusAnswer;
      // Reads envelopes, and so loads what nothing else here needs.
      const { readBackups } = await import('./backup-record.ts');
      const backups = readBackups(
        context.config(),
        status.services.map(({ service }) => service),
      );
      context.print(
        options.json === true
          ? `${JSON.stringify({ ...status, backups: Object.fromEntries(backups) })}\n`
          : formatStatus(status, backups),
      );
      process.exitCode = exitCode(status);
    });
  program
    .command('config')
    .description('every setting of signer.yaml and where it came from')
    .action(() => {
      for (const [key, { value, from }] of context.config().settings)
        context.print(`${key}: ${value}\t# ${from}\n`);
    });
}

/** 0 well, 1 degraded, 2 down. */
export function exitCode({ ready, code, services }: StatusAnswer): 0 | 1 | 2 {
  if (code !== undefined && DOWN.has(code)) return 2;
  if (services.some(({ state }) => state === 'down' || state === 'latched' || state === 'frozen')) return 2;
  return ready ? 0 : 1;
}

/** Codes of the signer as a whole with which nothing is signed at all. */
const DOWN: ReadonlySet<string> = new Set([
  'CHECKPOINT_AHEAD',
  'CHECKPOINT_FORK',
  'FENCED',
  'JOURNAL_FAILED',
]);

export function formatStatus(status: StatusAnswer, backups: Backups = new Map()): string {
  const lines = status.services.flatMap(service => [
    ...serviceLines(service, status),
    ...backupLines(backups.get(service.service)),
  ]);
  if (status.evicted !== undefined && status.evicted.length > 0)
    lines.push(`evicted     ${status.evicted.join(', ')}: let in again only by \`readmit\``);
  const code = status.code === undefined ? '' : `${status.code}   `;
  const sealed = `state sealed to: ${status.stateProtection ?? 'unknown'}`;
  lines.push(
    `signer      ${code}isolation: ${status.isolation} · ${sealed} · policy ${status.policySerial}${journalText(status)}`,
  );
  if (status.memory !== undefined) lines.push(`memory      ${status.memory}`);
  if (status.periodKeys !== undefined) lines.push(`period keys ${status.periodKeys}`);
  lines.push(...custodyLines(status));
  return `${lines.join('\n')}\n`;
}

function serviceLines(service: ServiceStatus, { runwaySeconds }: StatusAnswer): string[] {
  const until =
    service.certifiedUntil === undefined
      ? 'no period certified'
      : `without token until ${at(service.certifiedUntil)}`;
  const end =
    service.exposureEnd === undefined ? '' : ` Whatever was released ends ${at(service.exposureEnd)}.`;
  const shelf =
    service.withoutSignerUntil === undefined
      ? 'nothing released'
      : `without signer until ${at(service.withoutSignerUntil)}`;
  return [
    `${service.service.padEnd(12)}${service.state.toUpperCase()}   ${shelf} · ${until}`,
    ...problemLines(service),
    ...openedLines(service),
    ...readerLines(service),
    `  custody   ${service.custody}: the identity is opened in locked memory when a period is certified · ${service.origin}`,
    `  exposure  thief of the publisher: at most ${Math.round(runwaySeconds / 360) / 10} h of your own true descriptors.${end}`,
    '            thief of the signer, switched on: the identity.',
  ];
}

/** When each recipient of the envelope last opened it. */
const backupLines = (recipients: readonly RecipientState[] = []): string[] =>
  recipients.length === 0 ? [] : [`  backup    ${recipients.map(recipientState).join(' · ')}`];

/** Who may read; a service that is open needs no word. */
const readerLines = ({ clients = 0 }: ServiceStatus): string[] =>
  clients === 0
    ? []
    : [`  restricted to ${clients} client${clients === 1 ? '' : 's'} of policy, besides its publishers`];

const journalText = ({ journal }: StatusAnswer): string =>
  journal === undefined ? '' : ` · journal ${formatSize(journal.bytes)} of ${formatSize(journal.quotaBytes)}`;
