// Runs the worked example of docs/library.md as another program would; argument: a JSON file with its inputs. Prints what
// a second implementation reads out of the result.
import { createPrivateKey, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  fromHex,
  openDescriptorWithNoble,
  parseOnionAddress,
  publishablePeriods,
  toHex,
  TOR_NETWORK,
} from 'onion-signer/descriptor';
import { republish } from './example.js';

const input = /** @type {Record<string, string>} */ (JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
const { address = '', pem = '', consensus = '', microdescriptors = '' } = input;
const now = Number(input['now']);
const privateKey = createPrivateKey(pem);

const { text, relays } = republish(
  fromHex(input['text'] ?? ''),
  address,
  now,
  {
    publicKey: fromHex(input['publicKey'] ?? ''),
    certificate: fromHex(input['certificate'] ?? ''),
    counterKey: fromHex(input['counterKey'] ?? ''),
    sign: message => new Uint8Array(sign(null, message, privateKey)),
    random: length => new Uint8Array(randomBytes(length)),
  },
  { consensus, microdescriptors },
);
const kpHsId = parseOnionAddress(address);
const periods = publishablePeriods(TOR_NETWORK, now);
const opened = openDescriptorWithNoble(text, { kpHsId, periods, nowSeconds: now });
const report = /** @type {{sharedObjects: string[]}} */ (process.report.getReport());
process.stdout.write(
  JSON.stringify({
    relays,
    counter: String(opened.outer.revisionCounter),
    authKeys: opened.inner?.introductionPoints.map(({ authKey }) => toHex(authKey)),
    addons: report.sharedObjects.filter(file => file.endsWith('.node')),
  }),
);
