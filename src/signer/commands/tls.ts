import type { Command } from 'commander';
import { makeTlsKey, readTlsPin } from '../program/tls-identity.ts';
import type { CommandContext } from './context.ts';

/** `tls`: the signer's own end of the TLS connections of its publishers. */
export function addTlsCommand(program: Command, context: CommandContext): void {
  program
    .command('tls')
    .description('make the TLS key of this signer if there is none, and print its pin for publisher.yaml')
    .action(() => {
      const { tlsKey } = context.config();
      makeTlsKey(tlsKey);
      context.print(`${readTlsPin(tlsKey)}\n`);
    });
}
