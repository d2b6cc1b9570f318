import type { Command } from 'commander';
import { forgetPins } from '../../pkcs11/keyholder-start.ts';
import { keyholderStatePath } from '../config.ts';
import type { CommandContext } from './context.ts';

/** `pin forget`: the operator's word that a PIN which a token refused is right by now. */
export function addPinCommands(program: Command, context: CommandContext): void {
  program
    .command('pin')
    .description('what is remembered of PINs')
    .command('forget')
    .description('let PINs that tokens refused be tried again, once; stop the signer first')
    .action(async () => {
      const config = context.config();
      await forgetPins({ state: keyholderStatePath(config), hostKey: config.hostKey });
    });
}
