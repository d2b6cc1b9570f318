import type { Command } from 'commander';
import { listTokens, prepareToken } from '../../pkcs11/administration-client.ts';
import { RSA_BITS } from '../../pkcs11/administration-messages.ts';
import { SignerError } from '../contract/problems.ts';
import type { CommandContext } from './context.ts';

/** `token list`, `token prepare`: the operator's side of the token, in a process of its own. */
export function addTokenCommands(program: Command, context: CommandContext): void {
  const token = program.command('token').description('smart cards and HSMs');
  token
    .command('list')
    .description('the initialised tokens of a PKCS#11 module; logs in nowhere')
    .argument('<module>', 'absolute path of the module, or a pkcs11: URI with module-name')
    .option('--json', 'for programs')
    .action(async (module: string, options: { json?: boolean }) => {
      const tokens = await listTokens(module);
      if (options.json === true) context.print(`${JSON.stringify(tokens)}\n`);
      else for (const each of tokens) context.print(`${each.uri}\t${each.manufacturer} ${each.model}\n`);
    });
  token
    .command('prepare')
    .description('make the RSA key that envelopes are sealed to, on the token; once for each token')
    .argument('<uri>', 'the token, as in signer.yaml')
    .requiredOption('--pin <source>', 'file:/path, credential:NAME or tty; never the PIN itself')
    .option('--bits <bits>', '2048, 3072 or 4096', '3072')
    .option('--label <text>', 'name of the key on the token', 'onion-signer')
    .action(async (uri: string, options: { pin: string; bits: string; label: string }) => {
      const bits = RSA_BITS.find(each => String(each) === options.bits);
      if (bits === undefined)
        throw new SignerError('BAD_VALUE', `write --bits as one of ${RSA_BITS.join(', ')}`);
      const access = { modulePath: '', uri, pinSource: options.pin };
      context.print(`${await prepareToken({ access, bits, label: options.label })}\n`);
    });
}
