import { Command, CommanderError } from 'commander';
import type { CommandContext } from './commands/context.ts';
import { groupsFor } from './commands/groups.ts';
import { loadConfig, type SignerConfig } from './config.ts';
import { exitCodeOf } from './contract/problems.ts';

const DEFAULT_CONFIG = '/etc/onion-signer/signer.yaml';

/** The command line. A failure is one line on standard error, `CODE: what to do next`, and an exit code. */
async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('onion-signer')
    .description('signs Tor v3 onion service descriptors with an identity that stays behind a token')
    .version('0.1.0')
    .option('-c, --config <file>', 'signer.yaml', DEFAULT_CONFIG)
    .configureOutput({ outputError: (text, write) => write(withoutValues(text)) })
    .exitOverride();
  let config: SignerConfig | undefined;
  const configPath = (): string => program.opts<{ config: string }>().config;
  const context: CommandContext = {
    configPath,
    config: () => (config ??= loadConfig(configPath())),
    command: rest =>
      configPath() === DEFAULT_CONFIG
        ? `onion-signer ${rest}`
        : `onion-signer --config ${configPath()} ${rest}`,
    print: text => void process.stdout.write(text),
  };
  try {
    for (const { load } of groupsFor(argv.slice(2))) (await load())(program, context);
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** A value that fits nowhere may be a PIN in the wrong place: it is not repeated. */
const withoutValues = (text: string): string =>
  text.replace(/(?<='-[^'=]*=)[^']*|(?<=but got \d+: )[^\n]*/gu, '…');

function report(error: unknown): number {
  // commander has written its own message; help and version end with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : 'something that is no error was thrown';
  process.stderr.write(`${code}: ${systemMessage(error) ?? message}\n`);
  return exitCodeOf(error);
}

/** What the system refused, with what to do next; undefined for any other error. */
function systemMessage(error: unknown): string | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'path' in error)) return undefined;
  const isThere = 'code' in error && error.code === 'EEXIST';
  if (isThere) return `${String(error.path)}: name a file that does not exist`;
  return `${String(error.path)}: run this as the signer's user, or correct owner and mode (${String(error.syscall)})`;
}

await main(process.argv);
