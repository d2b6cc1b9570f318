import type { Command } from 'commander';
import { CustodyError } from '../../pkcs11/error.ts';
import { SignerError } from '../contract/problems.ts';
import type { CommandContext } from './context.ts';
import { serveStdio } from './stdio.ts';

/** `serve`: the daemon in the foreground, until SIGTERM or SIGINT. */
export function addServeCommand(program: Command, context: CommandContext): void {
  program
    .command('serve')
    .description('run the signer: one socket per publisher, one for administration')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .option('--stdio <publisher>', 'only join standard input and output to this publisher’s socket')
    .action(async ({ logLevel, stdio }: { logLevel: string; stdio?: string }) => {
      if (stdio !== undefined) {
        await serveStdio(context.config(), stdio);
        return;
      }
      // Only now: a pipe must not wait for what the daemon needs.
      const [{ guardProcess }, { createSignerLog }, { Daemon }] = await Promise.all([
        import('../../pkcs11/process-guard.ts'),
        import('../program/log.ts'),
        import('../serve.ts'),
      ]);
      // The key of TLS and the cookies of restricted services pass through here.
      guardProcess();
      // Sockets are made for their group at most, whatever the caller's mask.
      process.umask(0o027);
      const log = createSignerLog(logLevel);
      const daemon = new Daemon(context.config(), log);
      const asked = new AbortController();
      const ended = new Promise<void>(resolve => {
        asked.signal.addEventListener('abort', () => resolve(), { once: true });
        process.once('SIGTERM', () => asked.abort());
        process.once('SIGINT', () => asked.abort());
      });
      const reload = (): void => daemon.reloadPins();
      try {
        await daemon.start(asked.signal);
        process.on('SIGHUP', reload);
        await ended;
      } catch (error) {
        if (!asked.signal.aborted) throw plainCause(error);
      } finally {
        process.off('SIGHUP', reload);
        await daemon.stop();
      }
    });
}

/** What the keyholder itself says names what to repair; the core's code only that something is wrong there. */
const plainCause = (error: unknown): unknown =>
  error instanceof SignerError && error.cause instanceof CustodyError ? error.cause : error;
