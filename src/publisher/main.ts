#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { SignerError } from '../signer/contract/problems.ts';
import { makeTlsKey, readTlsPin } from '../signer/program/tls-identity.ts';
import { DEFAULT_CONFIG_PATH, loadConfig } from './config.ts';
import { tlsKeyPath } from './config-signers.ts';
import { ControlError } from './control/error.ts';
import { openFolder } from './durable-file.ts';
import { codeOf, PublisherError } from './error.ts';
import { addInspectCommand } from './inspect-command.ts';
import { printable } from './inspect-report.ts';
import { CONFIG_TEMPLATE } from './template.ts';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

type RunFlags = { once?: true; dryRun?: true; only?: string[]; logLevel: string };

/** Builds the program. Exit codes everywhere: 0 well, 1 degraded, 2 down or unusable input. */
function createProgram(setExitCode: (code: number) => void): Command {
  const program = new Command('onion-publisher')
    .description('publishes and balances Tor v3 onion services whose keys stay with onion-signer')
    .version(readVersion())
    .option('-c, --config <file>', 'publisher.yaml', DEFAULT_CONFIG_PATH)
    .exitOverride();
  const configPath = (): string => program.opts<{ config: string }>().config;
  program
    .command('init')
    .description('write a commented publisher.yaml; an existing file stays as it is')
    .action(() => {
      writeTemplate(configPath());
      process.stdout.write(`${configPath()} written: name the signer in it, then onion-publisher run\n`);
    });
  program
    .command('run')
    .description('read backends, ask the signer, publish')
    .option('--once', 'one round for every service, then end with the exit code of status')
    .option('--only <service...>', 'only these services of the signer')
    .option('--dry-run', 'sign and upload nothing')
    .addOption(
      new Option('--log-level <level>', 'least severe level logged').choices(LOG_LEVELS).default('info'),
    )
    .action(async (flags: RunFlags) => setExitCode(await run(configPath(), flags)));
  program
    .command('status')
    .description('what the state file says; 0 well, 1 degraded, 2 down')
    .option('--json', 'for programs')
    .action(async (flags: { json?: true }) => setExitCode(await status(configPath(), flags.json === true)));
  program
    .command('tls')
    .description('make the TLS key of this publisher if there is none, and print its pin for signer.yaml')
    .action(() => void process.stdout.write(`${tlsPin(configPath())}\n`));
  addInspectCommand(program, { configPath, write: text => process.stdout.write(text), setExitCode });
  return program;
}

function writeTemplate(path: string): void {
  try {
    writeFileSync(path, CONFIG_TEMPLATE, { flag: 'wx', mode: 0o644 });
  } catch (cause) {
    const code = codeOf(cause);
    const next =
      code === 'EEXIST'
        ? 'this file exists and was left alone; edit it, or name another with --config'
        : `make its folder, or name another file with --config (${code})`;
    throw new SignerError('FILE_UNREADABLE', `${path}: ${next}`, { cause, file: path });
  }
}

// What only one command needs is loaded where that command runs.

async function run(path: string, flags: RunFlags): Promise<number> {
  const [{ createLog }, { runPublisher }] = await Promise.all([import('./log.ts'), import('./run.ts')]);
  const config = loadConfig(path);
  const ended = new AbortController();
  const end = (): void => ended.abort(new PublisherError('STOPPED'));
  process.once('SIGTERM', end).once('SIGINT', end);
  return runPublisher({
    config,
    logger: createLog(flags.logLevel),
    signal: ended.signal,
    once: flags.once === true,
    dryRun: flags.dryRun === true,
    only: flags.only,
    version: readVersion(),
  });
}

async function status(path: string, json: boolean): Promise<number> {
  const [{ readState }, { formatStatus, judgeFile }] = await Promise.all([
    import('./state.ts'),
    import('./status.ts'),
  ]);
  const state = readState(loadConfig(path).state);
  if (state === undefined) throw new PublisherError('STATE_MISSING');
  const report = judgeFile(state, Date.now() / 1000);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : formatStatus(report));
  return report.exitCode;
}

function tlsPin(path: string): string {
  const { state } = loadConfig(path);
  openFolder(state);
  makeTlsKey(tlsKeyPath(state));
  return readTlsPin(tlsKeyPath(state));
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** What anything thrown says to the operator: our own errors their next step, others their code. */
function explain(thrown: unknown): string {
  const ours =
    thrown instanceof PublisherError || thrown instanceof SignerError || thrown instanceof ControlError;
  return ours ? `${thrown.code}: ${printable(thrown.message)}` : `failed: ${codeOf(thrown)}`;
}

try {
  process.exitCode = 0;
  const program = createProgram(code => {
    process.exitCode = code;
  });
  await program.parseAsync();
} catch (thrown) {
  const isCommander = thrown instanceof Error && 'exitCode' in thrown;
  if (isCommander) process.exitCode = thrown.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`onion-publisher: ${explain(thrown)}\n`);
    process.exitCode = 2;
  }
}
