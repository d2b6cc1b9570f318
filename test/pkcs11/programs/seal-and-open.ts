// Seals the key file on standard input, which only its token process reads, opens the envelope, and stays alive.
// Prints `CHILD pid` for each token process and `DONE` at the end. Argument: how to reach the token, as JSON.
import {
  parseKpHsDescSign,
  parseX25519Public,
  TOR_NETWORK,
  timePeriodAt,
} from '../../../src/descriptor/index.ts';
import { ed25519FromSeed, withScratch, x25519PublicInto } from '../../../src/pkcs11/locked-memory.ts';
import { TokenClient } from '../../../src/pkcs11/token-client.ts';
import type { TokenAccess } from '../../../src/pkcs11/token-messages.ts';

const access = JSON.parse(process.argv[2] ?? '') as TokenAccess;
const client = new TokenClient({ deadlineMs: 60_000, onSpawn: pid => console.log(`CHILD ${pid}`) });
const { envelope, kpHsId } = await client.seal({
  tokens: [access],
  ageRecipients: [],
  source: { kind: 'import', path: '' },
});
const box = Buffer.alloc(32);
withScratch(32, key => x25519PublicInto(box, key.fill(7)));
const kpHsDescSign = parseKpHsDescSign(
  withScratch(96, key => ed25519FromSeed(key.subarray(0, 64), key.subarray(64))),
);
const { periodNum } = timePeriodAt(TOR_NETWORK, Date.now() / 1000);
const [result] = await client.open({
  access,
  profile: TOR_NETWORK,
  horizonSeconds: 86_400,
  boxPublicKey: parseX25519Public(box),
  checkpointKey: kpHsDescSign,
  openings: [{ kpHsId, envelope, periods: [{ periodNum, kpHsDescSign }] }],
});
console.log(result === undefined || 'error' in result ? 'FAILED' : 'DONE');
setInterval(() => undefined, 60_000);
