// Reads a PIN at the terminal and prints its length and last character, or the code of the refusal.
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { readPin } from '../../../src/pkcs11/pin.ts';

try {
  const pin = await readPin({ kind: 'tty' }, 'press-a');
  console.log(`LENGTH ${pin.length} LAST ${pin.at(-1)}`);
} catch (error) {
  console.log(`CODE ${error instanceof CustodyError ? error.code : String(error)}`);
}
