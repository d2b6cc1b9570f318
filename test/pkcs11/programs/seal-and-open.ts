// Seals the key file on standard input, which only its token process reads, opens the envelope, and stays alive.
// Prints `CHILD pid` for each token process, which is asked once its number is the name of a file in a folder, and `DONE` at
// the end. Arguments: how to reach the token, as JSON, and the folder.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
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
const folder = process.argv[3] ?? '';
const never = new Int32Array(new SharedArrayBuffer(4));
const onSpawn = (pid: number): void => {
  console.log(`CHILD ${pid}`);
  while (!existsSync(join(folder, String(pid)))) Atomics.wait(never, 0, 0, 10);
};
const client = new TokenClient({ deadlineMs: 600_000, onSpawn });
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
