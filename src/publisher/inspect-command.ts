import { type Command, InvalidArgumentError, Option } from 'commander';
import type { InspectFlags } from './inspect-run.ts';

const DEFAULT_TIMEOUT = 30;
const HELP = `
ADDRESS is fetched through the tor of publisher.yaml; write ./NAME for a file that is called like an address.
Exit codes: 0 well; 1 readable but something is off (expired, HSDirs differ, points dropped); 2 unusable input, or
nothing reached. The members of --json stand in docs/inspect.md, the codes there and in docs/api.md.`;

/** What the command needs of the program around it. */
export type InspectSurroundings = {
  readonly configPath: () => string;
  readonly write: (text: string) => void;
  readonly setExitCode: (code: number) => void;
};

/** Adds the command to the program. */
export function addInspectCommand(
  program: Command,
  { configPath, write, setExitCode }: InspectSurroundings,
): void {
  program
    .command('inspect')
    .argument('<input>', 'an onion address, a file with a v3 descriptor, or - for standard input')
    .description(
      'decode a descriptor: what an HSDir and a client see, when and by whom it was made, what is wrong',
    )
    .option('--address <address>', 'of a file: the onion address, to decrypt the two layers')
    .option('--all', 'of an address: ask every responsible HSDir and compare what they serve')
    .option(
      '--client-key <file>',
      "to open a restricted one: tor's .auth_private, or the key in base32 or base64",
    )
    .option(
      '--voting-interval <seconds>',
      'of a file: V3AuthVotingInterval of its test network',
      parseSeconds,
    )
    .addOption(
      new Option('--timeout <seconds>', 'of an address: limit for each HSDir')
        .default(DEFAULT_TIMEOUT)
        .argParser(parseSeconds),
    )
    .option('--json', 'for programs')
    .addHelpText('after', HELP)
    .action(async (input: string, flags: InspectFlags) => {
      const [{ inspect }, { formatInspection, formatInspectionJson }] = await Promise.all([
        import('./inspect-run.ts'),
        import('./inspect-text.ts'),
      ]);
      const report = await inspect(input, flags, configPath);
      write(flags.json === true ? formatInspectionJson(report) : formatInspection(report));
      setExitCode(report.exitCode);
    });
}

function parseSeconds(text: string): number {
  if (/^[1-9][0-9]{0,4}s?$/u.test(text)) return Number.parseInt(text, 10);
  throw new InvalidArgumentError('Write seconds, as 10 or 10s.');
}
