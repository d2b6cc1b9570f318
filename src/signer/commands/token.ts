import type { Command } from 'commander';
import { listTokens, prepareToken } from '../../pkcs11/administration-client.ts';
import { type PrepareRequest, RSA_BITS } from '../../pkcs11/administration-messages.ts';
import { filePinStore, pinBookPath } from '../../pkcs11/pin-book.ts';
import { probeToken } from '../../pkcs11/probe-client.ts';
import { SignerError } from '../contract/problems.ts';
import type { CommandContext } from './context.ts';
import { formatFailing, formatProbe } from './token-text.ts';

const PIN_SOURCE = 'file:/path, credential:NAME or tty; never the PIN itself';
const SWAP = ['--swap-accepted', 'accept that the PIN can reach swap where no memory can be locked'] as const;

/** These commands read no signer.yaml, which says it for the others. */
interface SwapOptions {
  readonly swapAccepted?: boolean;
}

interface PrepareOptions extends SwapOptions {
  readonly pin: string;
  readonly kind: string;
  readonly bits: string;
  readonly label: string;
}

interface ProbeOptions extends SwapOptions {
  readonly pin: string;
  readonly json?: boolean;
}

/** `token list`, `token prepare`, `token probe`: the operator's side of the token, in a process of its own. */
export function addTokenCommands(program: Command, context: CommandContext): void {
  const token = program.command('token').description('smart cards and HSMs');
  token
    .command('list')
    .description('the initialised tokens of a PKCS#11 module; logs in nowhere')
    .argument('<module>', 'absolute path of the module, or a pkcs11: URI with module-name')
    .option('--json', 'for programs')
    .action(async (module: string, options: { json?: boolean }) => {
      const list = await listTokens(module);
      if (list.failing.length > 0) process.exitCode = 1;
      if (options.json === true) {
        context.print(`${JSON.stringify(list)}\n`);
        return;
      }
      for (const each of list.tokens) context.print(`${each.uri}\t${each.manufacturer} ${each.model}\n`);
      for (const slot of list.failing) process.stderr.write(formatFailing(slot));
    });
  token
    .command('prepare')
    .description('make the key that envelopes are sealed to, on the token; once for each token')
    .argument('<uri>', 'the token, as in signer.yaml')
    .requiredOption('--pin <source>', PIN_SOURCE)
    .option('--kind <kind>', 'rsa or aes: see token probe', 'rsa')
    .option('--bits <bits>', 'of an RSA key: 2048, 3072 or 4096', '3072')
    .option('--label <text>', 'name of the key on the token', 'onion-signer')
    .option(...SWAP)
    .action(async (uri: string, options: PrepareOptions) => {
      const request = { access: accessTo(uri, options.pin), key: keyOf(options), label: options.label };
      context.print(`${await prepareToken(request, clientOptions(options))}\n`);
    });
  token
    .command('probe')
    .description(
      'try what the token really does, on keys that are removed again; says what custody it can carry',
    )
    .argument('<uri>', 'the token, as in signer.yaml')
    .requiredOption('--pin <source>', PIN_SOURCE)
    .option('--json', 'for programs')
    .option(...SWAP)
    .action(async (uri: string, options: ProbeOptions) => {
      const report = await probeToken(accessTo(uri, options.pin), clientOptions(options));
      context.print(
        options.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : formatProbe(report),
      );
      process.exitCode = report.advice.prepare === undefined ? 1 : 0;
    });
}

/** The command line names the token and its PIN together. */
const clientOptions = ({ swapAccepted = false }: SwapOptions) => ({
  pins: filePinStore(pinBookPath(), { isOwn: true }),
  swapAccepted,
});

const accessTo = (uri: string, pinSource: string) => ({ modulePath: '', uri, pinSource });

function keyOf(options: { kind: string; bits: string }): PrepareRequest['key'] {
  if (options.kind === 'aes') return { kind: 'aes' };
  if (options.kind !== 'rsa') throw new SignerError('BAD_VALUE', 'write --kind as rsa or aes');
  const bits = RSA_BITS.find(each => String(each) === options.bits);
  if (bits === undefined) throw new SignerError('BAD_VALUE', `write --bits as one of ${RSA_BITS.join(', ')}`);
  return { kind: 'rsa', bits };
}
