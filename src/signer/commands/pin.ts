import type { Command } from 'commander';
import { forgetPins } from '../../pkcs11/keyholder-start.ts';
import { forgetPinBook, pinBookPath } from '../../pkcs11/pin-book.ts';
import { isOwnUsers, keyholderStatePath } from '../config.ts';
import { SignerError } from '../contract/problems.ts';
import type { CommandContext } from './context.ts';

/** `pin forget`: the operator's word that a PIN which a token refused is right by now. */
export function addPinCommands(program: Command, context: CommandContext): void {
  program
    .command('pin')
    .description('what is remembered of PINs')
    .command('forget')
    .description('let PINs that tokens refused be tried again, once; stop the signer first')
    .option('--commands', 'only those that commands of this user tried')
    .action(async (options: { commands?: boolean }) => {
      await forgetPinBook(pinBookPath());
      if (options.commands === true) return;
      const config = context.config();
      if (isOwnUsers(config)) {
        const message =
          'the keyholder has a user of its own: stop it and run its own `forget-pins` as that user';
        throw new SignerError('KEYHOLDER_UNAVAILABLE', message);
      }
      const paths = { state: keyholderStatePath(config), hostKey: config.hostKey };
      await forgetPins(paths, { swapAccepted: config.isSwapAccepted });
    });
}
