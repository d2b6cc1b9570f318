// Reads a passphrase at the terminal, a new one with the argument `new`, and prints its length, or the code of the refusal.
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { readPassphrase } from '../../../src/pkcs11/passphrase.ts';

try {
  const passphrase = await readPassphrase({ kind: 'tty' }, process.argv[2] === 'new');
  console.log(`LENGTH ${passphrase.length}`);
  passphrase.wipe();
} catch (error) {
  console.log(`CODE ${error instanceof CustodyError ? error.code : String(error)}`);
}
