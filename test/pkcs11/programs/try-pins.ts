// What commands do at the operator's book. Arguments: the book and PINs. Says READY, waits for a line on standard input, then
// tries each PIN at a token that refuses it, and says what came of it; of a PIN `right` it says ASKS and BEGUN, and it
// is taken after another line.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { filePinStore } from '../../../src/pkcs11/pin-book.ts';
import { PinAttempts } from '../../../src/pkcs11/pin-memory.ts';
import { pinTags } from '../../../src/pkcs11/pin-tags.ts';

const [book = '', ...pins] = process.argv.slice(2);
const SOURCE = { kind: 'file', path: '/run/pin' } as const;
const lines = createInterface({ input: process.stdin });
const say = (word: string) => process.stdout.write(`${word}\n`);

async function attempt(pin: string): Promise<string> {
  const store = filePinStore(book);
  // By then it is begun, if it waits for nobody.
  if (pin === 'right') setImmediate(() => say('ASKS'));
  await store.quiet?.();
  const attempts = new PinAttempts(store);
  try {
    await attempts.begin(pinTags(attempts.judgement.key, 'token', SOURCE, pin));
    if (pin === 'right') {
      say('BEGUN');
      await once(lines, 'line');
      attempts.taken();
      return 'taken';
    }
    attempts.fail(new CustodyError('PIN_INCORRECT'));
    return 'refused';
  } catch (thrown) {
    return thrown instanceof CustodyError ? thrown.code : String(thrown);
  } finally {
    attempts.end();
  }
}

say('READY');
await once(lines, 'line');
for (const pin of pins) say(await attempt(pin));
lines.close();
