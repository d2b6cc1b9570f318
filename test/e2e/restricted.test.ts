import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AUTH_PRIVATE_LENGTH,
  encodeClientAuthFile,
  parseKpHscDescEnc,
  parseOnionAddress,
  publishablePeriods,
  testNetwork,
  timePeriod,
  writeClientAuthPrivate,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import { SocksError } from '../../src/publisher/socks.ts';
import { noise } from '../descriptor/forge.ts';
import { onionFetch } from '../tor-network/onion-fetch.ts';
import type { ClientTor } from '../tor-network/tor-node.ts';
import { makeKnownIdentity } from './identity-needles.ts';
import { cookieNeedles, keyholderNeedles, keyholderPaths } from './keyholder-needles.ts';
import type { LogLine } from './managed-process.ts';
import { scanProcess } from './memory-scan.ts';
import { buildStage, expectSuccess, type Stage } from './stage.ts';

const ATTEMPTS = 12;
const ANSWERED = 'the signer answered';
const PAGE = /^backend\d$/u;
const PROFILE = testNetwork('private', 10);
const [ALICE, BOB] = [noise('alice at the stage', 32), noise('bob at the stage', 32)];
const publicText = (client: Uint8Array): string =>
  encodeClientAuthFile(parseKpHscDescEnc(x25519PublicKey(client))).trimEnd();

/** Alice has her key in a ClientOnionAuthDir. Bob's tor, which stands beside the publisher, gets its own later. */
describe('a restricted service on a network of stock tor', () => {
  let folder: string;
  let stage: Stage;
  let alice: ClientTor;
  let bob: ClientTor;
  let count = 0;
  const identity = makeKnownIdentity();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onion-signer-restricted-'));
    const network = { consensusParams: 'sparse' } as const;
    stage = await buildStage({ folder, backends: 2, identity: identity.file, network });
    [alice, bob] = [stage.network.client, stage.network.publisher];
  }, 240_000);

  afterAll(async () => {
    await stage?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  /** The page, or why tor did not get it, with nothing that it knew before. */
  async function look(tor: ClientTor): Promise<string> {
    await tor.newnym();
    const proxy = { host: '127.0.0.1', port: tor.socksPort };
    try {
      return (await onionFetch(proxy, stage.address, '/', { isolation: `look-${++count}` })).body;
    } catch (error) {
      if (error instanceof SocksError) return error.code;
      throw error;
    }
  }

  /** In a folder of its own: credentials from the control port end with every NEWNYM. */
  async function giveKey(tor: ClientTor, privateKey: Uint8Array): Promise<void> {
    const keys = join(folder, `keys-of-${tor.name}`);
    await mkdir(keys, { mode: 0o700 });
    const file = new Uint8Array(AUTH_PRIVATE_LENGTH);
    writeClientAuthPrivate(file, parseOnionAddress(stage.address), privateKey);
    await writeFile(join(keys, 'own.auth_private'), file, { mode: 0o600 });
    await tor.control.connection.send(`SETCONF ClientOnionAuthDir="${keys}"`);
  }

  /** Looks until tor sees this: now and then a circuit fails, or the consensus changes on the way. */
  async function sees(tor: ClientTor, wanted: RegExp, never: RegExp = /^$/u): Promise<string> {
    const seen: string[] = [];
    while (seen.length < ATTEMPTS) {
      const what = await look(tor);
      seen.push(what);
      expect(seen.filter(each => never.test(each))).toEqual([]);
      if (wanted.test(what)) return what;
    }
    throw new Error(`tor saw ${seen.join(', ')}`);
  }

  /** Puts these clients in force and waits until no directory has a text from before. */
  async function admit(clients: Readonly<Record<string, Uint8Array>>): Promise<string> {
    const before = answeredSettings().at(-1) ?? 0;
    const names = Object.entries(clients).map(([name, key]) => `  ${name}: ${publicText(key)}`);
    const said = await stage.applyPolicy(stage.network.backends, ['clients:', ...names]);
    // For whichever reason it asked: a text that was due anyway came under the new settings, too.
    const isNew = ({ msg, settings }: LogLine): boolean =>
      msg === ANSWERED && typeof settings === 'number' && settings > before;
    await stage.publisher.waitFor('an answer under the new settings', isNew);
    const answered = stage.publisher.lines.findIndex(isNew);
    await stage.published(answered);
    return said;
  }

  /** The settings of every answer so far. */
  function answeredSettings(): number[] {
    return stage.publisher.lines.flatMap(({ msg, settings }) =>
      msg === ANSWERED && typeof settings === 'number' ? [settings] : [],
    );
  }

  it('is open to both while policy names no clients', async () => {
    await sees(alice, PAGE);
    await sees(bob, PAGE);
  });

  it('opens for the client whose key policy names, and for nobody else', async () => {
    await giveKey(alice, ALICE);
    const said = await admit({ alice: ALICE, bob: BOB });
    expect(said).toContain('who may read: everybody → clients only');
    await sees(bob, /^ONION_CLIENT_AUTH_MISSING$/u, PAGE);
    await sees(alice, PAGE);
  }, 240_000);

  it('opens for another client of policy too', async () => {
    await giveKey(bob, BOB);
    await sees(bob, PAGE);
  }, 120_000);

  it('leaves no key in publisher and core: of identity, periods and clients; and no cookie in the publisher', async () => {
    const kpHsId = parseOnionAddress(stage.address);
    const newest = Math.max(
      ...publishablePeriods(PROFILE, Math.floor(Date.now() / 1000)).map(each => each.periodNum),
    );
    // Of texts there may be older ones, on a busy machine.
    const periods = Array.from({ length: 12 }, (_, i) => timePeriod(PROFILE, newest + 1 - i));
    const records = await readdir(stage.recordFolder, { recursive: true, withFileTypes: true });
    const texts = records
      .filter(({ name }) => name.endsWith('.txt'))
      .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
    const cookies = cookieNeedles(texts, { kpHsId, periods, client: ALICE });
    expect(cookies.length).toBeGreaterThan(0);
    const secrets = [
      ...identity.needles(periods.slice(0, 4)),
      ...keyholderNeedles(keyholderPaths(join(stage.signerFolder, 'state'))),
      { name: 'private key of alice', bytes: ALICE },
      { name: 'private key of bob', bytes: BOB },
      { name: 'PIN', bytes: Buffer.from(readFileSync(stage.hsm.pinFile, 'latin1').trim()) },
    ];
    // What both must have: the scan sees it there.
    const known = { name: 'address', bytes: Buffer.from(stage.address.slice(0, 56)) };
    const publisher = scanProcess(stage.publisher.pid, [...secrets, ...cookies, known]);
    expect(publisher.found).toEqual(['address']);
    // It may be at work just now, and have a cookie for that moment; see core-memory.test.ts.
    expect(scanProcess(stage.signer.pid, [...secrets, known]).found).toEqual(['address']);
    const all = [...secrets, ...cookies];
    const own = scanProcess(process.pid, all).found;
    expect(all.map(({ name }) => name).filter(name => !own.includes(name))).toEqual([]);
  }, 300_000);

  it('says so in both programs, and in no log who the clients are', async () => {
    expect((await stage.onionPublisher('status')).stdout).toContain('· restricted ·');
    const status = expectSuccess('status', await stage.onionSigner('status'));
    expect(status).toContain('restricted to 2 clients');
    const logs = JSON.stringify([stage.signer.lines, stage.publisher.lines]);
    expect(logs).toContain('restricted discovery');
    for (const word of ['alice', 'bob', ...[ALICE, BOB].map(key => publicText(key).slice(-52))]) {
      expect(logs).not.toContain(word);
    }
  });

  it('shuts out the client that policy has dropped, at once, while the other one stays', async () => {
    const said = await admit({ alice: ALICE });
    expect(said).toMatch(/client bob: descriptor:x25519:[a-z2-7]{52} → absent/u);
    await sees(bob, /^ONION_CLIENT_AUTH_(?:WRONG|MISSING)$/u, PAGE);
    await sees(alice, PAGE);
    expect(stage.publisher.lines.filter(line => line['alarm'] === true)).toEqual([]);
  }, 240_000);
});
