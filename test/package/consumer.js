// Another program that uses the installed library; prints what it read and every module that was loaded for it.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** @type {string[]} */
const loaded = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});
const {
  DescriptorError,
  formatOnionAddress,
  fromHex,
  openDescriptorWithNoble,
  openWithSubcredential,
  parseKpHsBlindId,
  parseNHsSubcred,
  parseOnionAddress,
  publishablePeriods,
  toHex,
  TOR_NETWORK,
} = await import('onion-signer/descriptor');

const [descriptor = '', address = '', ...extra] = process.argv.slice(2);
for (const specifier of extra) await import(specifier);

const kpHsId = parseOnionAddress(address);
const text = new Uint8Array(readFileSync(descriptor));
const opened = openWithSubcredential(text, {
  kpHsBlindId: parseKpHsBlindId(fromHex('43cc0d62fc6252f578705ca645a46109e265290343b1137e90189744b20b3f2d')),
  subcredential: parseNHsSubcred(fromHex('78210a0d2c72bb7a0caf606bcd938b9a3696894fdddbc3b87d424753a7e3df37')),
});

/** @returns {unknown} what the library says of another service's descriptor */
function refusal() {
  try {
    openDescriptorWithNoble(text, { kpHsId, periods: publishablePeriods(TOR_NETWORK, 1_674_486_000) });
    return undefined;
  } catch (error) {
    return error instanceof DescriptorError ? error.code : error;
  }
}

const report = /** @type {{sharedObjects: string[]}} */ (process.report.getReport());
process.stdout.write(
  JSON.stringify({
    key: toHex(kpHsId),
    address: formatOnionAddress(kpHsId),
    points: opened.inner?.introductionPoints.length,
    counter: String(opened.outer.revisionCounter),
    refusal: refusal(),
    loaded,
    addons: report.sharedObjects.filter(file => file.endsWith('.node')),
  }),
);
