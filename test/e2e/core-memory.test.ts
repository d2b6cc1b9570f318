import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  encodeClientAuthFile,
  parseKpHscDescEnc,
  parseOnionAddress,
  publishablePeriods,
  timePeriod,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import { noise } from '../descriptor/forge.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { backendDescriptor, nowSeconds, pointsOf, signRequest } from './daemon/backends.ts';
import { PUBLISHER, SignerHome } from './daemon/home.ts';
import { makeKnownIdentity } from './identity-needles.ts';
import { cookieNeedles, keyholderNeedles, keyholderPaths } from './keyholder-needles.ts';
import { type Needle, scanFolder, scanProcess, scanProcessApart } from './memory-scan.ts';
import { keyholderPid } from './process-tree.ts';

// What the core has in memory while and after it signs for a service that everybody can read and for a restricted one.

const CLIENTS = ['alice', 'bob'].map(name => ({ name, key: noise(`${name} of the core`, 32) }));
const SERVICES = ['open', 'hidden'] as const;
const identities = { open: makeKnownIdentity(), hidden: makeKnownIdentity() };
let root: string;
let hsm: SoftHsm;
let home: SignerHome;

async function importService(service: (typeof SERVICES)[number], lines: readonly string[]): Promise<void> {
  const file = join(root, 'to-be-imported');
  writeFileSync(file, identities[service].file, { mode: 0o600 });
  home.addresses.set(service, await home.succeed('key', 'import', service, file, '--single-custodian'));
  writeFileSync(file, new Uint8Array(identities[service].file.length));
  const settings = { publisher: PUBLISHER, backends: [`${service}-box`] };
  await home.writePolicy(service, {
    ...settings,
    lines: ['limits: { points: 2..6, requests: 3000/h }', ...lines],
  });
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'core-memory-'));
  hsm = await createSoftHsm();
  home = new SignerHome(join(root, 'signer'), hsm);
  await home.configure();
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  await home.succeed('init');
  await importService('open', []);
  const publicText = (key: Uint8Array): string =>
    encodeClientAuthFile(parseKpHscDescEnc(x25519PublicKey(key))).trimEnd();
  await importService('hidden', [
    'clients:',
    ...CLIENTS.map(({ name, key }) => `  ${name}: ${publicText(key)}`),
  ]);
  await home.succeed('policy', 'apply', '--yes');
  await home.start();
}, 240_000);
afterAll(async () => {
  await home.dispose();
  await hsm.dispose();
  rmSync(root, { recursive: true, force: true });
});

/** A new text for each published period. */
async function texts(service: (typeof SERVICES)[number]): Promise<string[]> {
  const shown = backendDescriptor(home.profile, `${service}-box`);
  const { descriptors } = await home.sign(signRequest(service, [shown], pointsOf([shown, 0, 1, 2])));
  return descriptors.map(({ text }) => text);
}

/** Every period of which there can be a text by now. */
function periodsAround() {
  const newest = Math.max(...publishablePeriods(home.profile, nowSeconds()).map(each => each.periodNum));
  return [-1, 0, 1].map(step => timePeriod(home.profile, newest + step));
}

/** What belongs to token process and keyholder alone, or to clients. */
function secrets(): Needle[] {
  const named = (service: string, needles: readonly Needle[]): Needle[] =>
    needles.map(({ name, bytes }) => ({ name: `${name} of ${service}`, bytes }));
  return [
    ...SERVICES.flatMap(service => named(service, identities[service].needles(periodsAround()))),
    ...keyholderNeedles(keyholderPaths(home.state)),
    ...CLIENTS.map(({ name, key }) => ({ name: `private key of ${name}`, bytes: key })),
    { name: 'PIN', bytes: Buffer.from(readFileSync(hsm.pinFile, 'latin1').trim()) },
  ];
}

const kpHsIdOf = (service: string) => parseOnionAddress(home.address(service));
/** What policy gave to the core, as long and as binary as a key. */
const known = (): Needle[] =>
  SERVICES.map(service => ({ name: `KP_hs_id of ${service}`, bytes: kpHsIdOf(service) }));
const names = (needles: readonly Needle[]): string[] => needles.map(({ name }) => name).toSorted();
/** Without the encoding in which each was found. */
const plain = (found: readonly string[]): string[] => [
  ...new Set(found.map(name => name.replace(/ \((?:hex|base64)\)$/u, ''))),
];

describe('the core', { timeout: 600_000 }, () => {
  test('has no key of the identity, of a period, of a client or of the state while it signs', async () => {
    const work = { signed: 0, isOver: false };
    const scan = scanProcessApart(home.daemon.pid, [...secrets(), ...known()]).finally(() => {
      work.isOver = true;
    });
    do {
      work.signed += (await Promise.all(SERVICES.map(texts))).flat().length;
    } while (!work.isOver);
    const { found, bytesRead } = await scan;
    // The control is what policy gave it.
    expect(plain(found)).toEqual(names(known()));
    expect(bytesRead).toBeGreaterThan(10_000_000);
    expect(work.signed).toBeGreaterThan(0);
  });

  test('has none of them after it has signed either, while the keyholder has its own', async () => {
    const [core, keyholder] = [home.daemon.pid, await keyholderPid(home.daemon.pid)];
    const made = [...(await texts('hidden')), ...(await texts('hidden'))];
    const [alice] = CLIENTS;
    if (alice === undefined) throw new Error('there is a client');
    const options = { kpHsId: kpHsIdOf('hidden'), periods: periodsAround(), client: alice.key };
    const cookies = cookieNeedles(made, options);
    expect(cookies.length).toBeGreaterThan(0);
    const all = [...secrets(), ...cookies];
    expect(plain(scanProcess(core, [...secrets(), ...known()]).found)).toEqual(names(known()));

    // Positive controls: the keyholder has what is its own, and a planted file all.
    const held = plain(scanProcess(keyholder, all).found);
    expect(held.filter(name => name.startsWith('cookie')).length).toBeGreaterThan(0);
    expect(held.filter(name => name.startsWith('seed')).length).toBeGreaterThanOrEqual(4);
    expect(held.filter(name => /scalar|PRF|private|PIN/u.test(name))).toEqual([]);
    const planted = join(root, 'planted');
    mkdirSync(planted);
    writeFileSync(join(planted, 'all'), Buffer.concat(all.map(({ bytes }) => Buffer.from(bytes))));
    expect(scanFolder(planted, all).found).toHaveLength(all.length);
  });
});
