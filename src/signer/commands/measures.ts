import type { Command } from 'commander';
import { askDaemon } from '../daemon-client.ts';
import { BlindedKeys } from '../blinded-keys.ts';
import { journalPath, type SignerConfig } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import type { Problem } from '../contract/requests.ts';
import { openJournal } from '../journal/journal.ts';
import { type MeasureReport, type OperatorOrder, takeMeasure } from '../operator.ts';
import { parsePolicySnapshot } from '../policy/snapshot.ts';
import { EMPTY_POLICY } from '../policy/types.ts';
import type { CommandContext } from './context.ts';
import { KeyholderDoor } from './keyholder-door.ts';
import { confirmed } from './policy.ts';

interface MeasureCommand {
  readonly verb: string;
  readonly description: string;
  readonly measure: (name: string) => OperatorOrder;
  /** What would happen, with the question whether it shall. */
  readonly warning: string;
  /** `command` as in CommandContext. */
  readonly next: (name: string, command: (rest: string) => string) => string;
}

const PUBLISHERS: readonly MeasureCommand[] = [
  {
    verb: 'evict',
    description: 'let a publisher in no more, at once and for good',
    measure: publisher => ({ kind: 'evicted', publisher }),
    warning:
      'Its connections would end, and nothing would be signed for it, whatever signer.yaml and policy say.',
    next: (publisher, command) =>
      `next: give its services another publisher and run \`${command('policy apply')}\`; \`${command(`readmit ${publisher}`)}\` undoes this`,
  },
  {
    verb: 'readmit',
    description: 'let an evicted publisher in again',
    measure: publisher => ({ kind: 'readmitted', publisher }),
    warning: 'It could ask again for whatever policy allows it.',
    next: (_, command) => `next: look through \`${command('status')}\``,
  },
];

const SERVICES: readonly MeasureCommand[] = [
  {
    verb: 'fence',
    description: 'give every later text of a service a higher counter than all that were released',
    measure: service => ({ kind: 'fenced', service }),
    warning:
      'Its publishers would have to ask again: what they have on the shelf loses against the next upload.',
    next: () => 'next: have a publisher run once; its next upload replaces what is out',
  },
  {
    verb: 'freeze',
    description: 'sign nothing for a service until it is thawed',
    measure: service => ({ kind: 'frozen', service }),
    warning: 'Nothing would be signed for it; publishers serve what they have.',
    next: (service, command) => `next: \`${command(`thaw ${service}`)}\` undoes this`,
  },
  {
    verb: 'thaw',
    description: 'sign for a frozen service again',
    measure: service => ({ kind: 'thawed', service }),
    warning: 'It would be signed for again as policy allows.',
    next: (_, command) => `next: look through \`${command('status')}\``,
  },
];

/** `evict`, `readmit`, `fence`, `freeze`, `thaw`: of the running daemon, or of a stopped signer. */
export function addMeasureCommands(program: Command, context: CommandContext): void {
  for (const command of PUBLISHERS) addMeasure(program, context, command, '<publisher>');
  for (const command of SERVICES) addMeasure(program, context, command, '<service>');
}

function addMeasure(
  program: Command,
  context: CommandContext,
  { verb, description, measure, warning, next }: MeasureCommand,
  argument: string,
): void {
  program
    .command(verb)
    .description(description)
    .argument(argument)
    .option('--yes', 'do not ask')
    .option('--json', 'for programs')
    .action(async (name: string, options: { yes?: boolean; json?: boolean }) => {
      if (options.yes !== true && !(await confirmed(`${warning} ${verb} ${name}?`)))
        throw new SignerError('DENIED', 'nothing was changed');
      const report = await take(context.config(), measure(name));
      context.print(
        options.json === true
          ? `${JSON.stringify(report)}\n`
          : formatReport(report, verb, next(name, context.command)),
      );
      if (!report.settled) process.exitCode = 1;
    });
}

async function take(config: SignerConfig, measure: OperatorOrder): Promise<MeasureReport> {
  const name = 'publisher' in measure ? measure.publisher : measure.service;
  const answer = await askDaemon(config, 'PUT', `/measures/${measure.kind}/${encodeURIComponent(name)}`);
  if (answer === undefined) return await takeOffline(config, measure);
  const body: unknown = JSON.parse(answer.body.toString('utf8'));
  if (answer.status === 200) return body as MeasureReport;
  if ((body as Problem).code === 'BAD_VALUE')
    throw new SignerError('BAD_VALUE', 'name a publisher or service of the policy in force');
  throw new SignerError('NOT_READY', 'the daemon did not take the measure; see its log');
}

/** Of a stopped signer: the journal is the writer's, and the keyholder is told before the next start. */
async function takeOffline(config: SignerConfig, measure: OperatorOrder): Promise<MeasureReport> {
  const now = (): number => Math.floor(Date.now() / 1000);
  const journal = openJournal({ path: journalPath(config), now });
  const keyholder = new KeyholderDoor(config);
  try {
    const stored = journal.policies.current();
    const policy = stored === undefined ? EMPTY_POLICY : parsePolicySnapshot(stored.text);
    const blindedKeys = new BlindedKeys();
    const { profile } = config;
    return await takeMeasure(
      { journal, keyholder, policy: () => policy, profile, blindedKeys, now },
      measure,
    );
  } finally {
    await keyholder.close();
    journal.close();
  }
}

function formatReport({ changed, settled, services }: MeasureReport, verb: string, next: string): string {
  const lines = services.map(({ service, lastUse, exposureEnd }) =>
    lastUse === undefined || exposureEnd === undefined
      ? `${service}: nothing was released`
      : `${service}: texts up to ${at(lastUse)} are out; the last certificate ends ${at(exposureEnd)}. ` +
        'Honest HSDirs drop them at the next upload by another publisher.',
  );
  const keyholder = settled
    ? []
    : ['The keyholder did not hear of it yet: the daemon goes on trying, see `status`.'];
  const head = changed ? `${verb}: done` : `${verb}: it was so already`;
  return [head, ...lines, ...keyholder, next].map(line => `${line}\n`).join('');
}

const at = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
