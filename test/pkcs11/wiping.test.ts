import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  fromHex,
  parseEd25519Public,
  parseKpHsDescSign,
  parseKpHsId,
  parseKpHscDescEnc,
  testNetwork,
  timePeriod,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import { encodeAgeFile } from '../../src/pkcs11/age-file.ts';
import { wrapForPassphrase } from '../../src/pkcs11/age-scrypt.ts';
import { withReadyKey, verifyCopy } from '../../src/pkcs11/backup.ts';
import { blindIdentity, signLadder } from '../../src/pkcs11/blinded-sign.ts';
import { CheckpointSigner } from '../../src/pkcs11/checkpoint.ts';
import { SeedSigningKey } from '../../src/pkcs11/desc-signing-key.ts';
import { openEnvelope, sealEnvelope, unlockWithPaper } from '../../src/pkcs11/envelope.ts';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import { makeIdentity, readIdentityFile } from '../../src/pkcs11/identity-file.ts';
import type { KeyholderList, ListService } from '../../src/pkcs11/list.ts';
import { boxSeal, Secret, withScratch } from '../../src/pkcs11/locked-memory.ts';
import { type TokenOpener, discardOpening, openWithToken, planOpening } from '../../src/pkcs11/openings.ts';
import { withPaperKey } from '../../src/pkcs11/paper-key.ts';
import { PeriodKey, discardKeys } from '../../src/pkcs11/period-keys.ts';
import { ServiceSlot } from '../../src/pkcs11/service-slot.ts';
import { SigningKeys } from '../../src/pkcs11/signing-keys.ts';
import { vouch } from '../../src/pkcs11/vouching.ts';
import { ed25519Pair, makePoint, noise } from '../descriptor/forge.ts';
import onionbalanceKey from '../vectors/onionbalance-key.json' with { type: 'json' };
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { createAgeProgram } from './age-program.ts';
import { FaultySodium, spread } from './faulty-sodium.ts';
import { OPEN_TO_ALL } from './keyholder-rig.ts';

// Each call of libsodium in an operation on secrets fails in turn: whatever the operation had in locked memory by then
// is zeros afterwards.

const sodium = new FaultySodium();
const age = createAgeProgram();
const folder = mkdtempSync(join(tmpdir(), 'wiping-'));
afterAll(() => {
  age.dispose();
  rmSync(folder, { recursive: true });
});

afterAll(() => sodium.restore());

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};

/** Nine hours to a ladder, where the public network has 49. */
const profile = testNetwork('test', 600);
const period = timePeriod(profile, 120_000);
const expanded = fromHex(chain.expandedSecret);
const identity = { scalar: expanded.subarray(0, 32), prfHalf: expanded.subarray(32) };
const kpHsId = parseKpHsId(fromHex(chain.kpHsId));
const kpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));
const checkpointKey = parseEd25519Public(ed25519Pair('checkpoints').publicKey);
const client = parseKpHscDescEnc(x25519PublicKey(noise('client', 32)));
const tag = Buffer.from('== ed25519v1-secret: type0 ==\0\0\0', 'latin1');
const payload = Buffer.concat([tag, expanded, noise('secret of the service', 32)]);
/** An RSA key for what is sealed; it is opened with the paper key. */
const token = {
  kind: 'rsa-oaep',
  modulus: Buffer.from(noise('modulus', 256)).fill(0xc1, 0, 1).fill(0x01, 255),
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: 'sha256',
  uri: 'pkcs11:token=a',
} as const;
const seal = (): Uint8Array =>
  sealEnvelope({ payload, kpHsId, origin: 'born', tokens: [token], ageRecipients: [age.recipient] });
const envelope = seal();
const words = 'eight words that nobody would ever guess';
const wordsFile = file('words', `${words}\n`);
const fileKey = noise('file key', 16);
const copy = encodeAgeFile([wrapForPassphrase(fileKey, Buffer.from(words), 4)], fileKey, payload);

const seedKey = (label: string) => {
  const [seed, secret] = [
    Secret.copyOf(noise(`${label} seed`, 32)),
    Secret.copyOf(noise(`${label} secret`, 32)),
  ];
  return { seed, secret };
};

/** A period's key for one client, in use. */
async function usePeriodKey(): Promise<void> {
  const { seed, secret } = seedKey('period');
  let key: PeriodKey | undefined;
  try {
    const { periodNum, lengthMinutes, offsetSeconds } = period;
    const record = {
      periodNum,
      lengthMinutes,
      offsetSeconds,
      key: { kind: 'seed', seed } as const,
      secret,
      ladder: [],
    };
    key = new PeriodKey({ kpHsId, profile, record, signing: new SeedSigningKey(seed) });
    key.accessOf({ clients: [client], clientsSerial: 1 });
    await key.certifyPoints([makePoint('point', ed25519Pair('a backend'), 500_000)], 1_800_000_000);
    key.revisionCounterAt(period.periodNum * period.lengthMinutes * 60 + period.offsetSeconds + 100);
  } finally {
    key?.wipe();
    seed.wipe();
    secret.wipe();
  }
}

/** A keyholder's state from its making to its end, with a checkpoint. */
function useState(): void {
  const state = mkdtempSync(join(folder, 'state-'));
  const source = parseHostKeySource(`file:${join(state, 'host.key')}`);
  HostState.create(join(state, 'keyholder'), source);
  const host = HostState.open(join(state, 'keyholder'), source);
  const { seed, secret } = seedKey('record');
  try {
    const ladder = [{ expiryHours: 500_000, signature: noise('signature', 64) }];
    const key = { kind: 'seed', seed } as const;
    const { periodNum, lengthMinutes, offsetSeconds } = period;
    const periods = [{ periodNum, lengthMinutes, offsetSeconds, key, secret, ladder }];
    const opened = { by: '', at: 0 };
    host.save({ services: [{ kpHsId, origin: 'born', vouching: noise('word', 64), opened, periods }] });
    host.pins.judgement();
    new CheckpointSigner(host.state.checkpointSeed, host.marks).sign({
      size: 1n,
      rootHash: noise('root', 32),
      proof: [],
    });
    HostState.open(join(state, 'keyholder'), source).close();
  } finally {
    host.close();
    seed.wipe();
    secret.wipe();
  }
}

/** The token process's answer, made here by its own parts. */
const opener: TokenOpener = {
  open: ({ openings, boxPublicKey, checkpointKey: key }) =>
    Promise.resolve(
      openings.map(({ periods }) => ({
        sealedServiceSecret: boxSeal(noise('secret of the service', 32), boxPublicKey),
        origin: 'born',
        ladders: periods.map(({ periodNum, kpHsDescSign: signing }) => {
          const blinded = blindIdentity(identity, kpHsId, timePeriod(profile, periodNum));
          try {
            return {
              periodNum,
              rungs: signLadder(blinded, signing, profile, timePeriod(profile, periodNum)),
            };
          } finally {
            blinded.secret.wipe();
          }
        }),
        vouching: vouch(identity, kpHsId, key),
      })),
    ),
};

const service: ListService = {
  alias: 'service',
  kpHsId,
  envelopePath: file('envelope', envelope),
  singleOnion: false,
  enabled: true,
  minPoints: 1,
  maxPoints: 20,
  minBackends: 1,
  maxPointsPerBackend: 20,
  requestsPerHour: 3600,
  pointSetsPerHour: 3600,
  backends: [],
  ...OPEN_TO_ALL,
};

/** The keyholder's side of an opening. */
async function openService(host: HostState): Promise<void> {
  const access = { uri: 'pkcs11:token=a', modulePath: '/module.so' };
  const list: KeyholderList = {
    serial: 1,
    profile,
    aheadSeconds: 1,
    runwaySeconds: 1,
    deadlineMs: 1000,
    tokens: [access],
    pinSource: 'file:/pin',
    retired: [],
    periodKeys: 'keyholder',
    lockedMemory: 'required',
    services: [service],
  };
  const nothing = (): void => undefined;
  const keys = new SigningKeys({
    host,
    list: () => list,

    onMissing: nothing,
  });
  const opening = await planOpening(new ServiceSlot(service, profile), [period], keys);
  try {
    const terms = { access, list, horizonSeconds: 1, checkpointKey, keys };
    const [outcome] = await openWithToken([opening], terms, opener);
    if (outcome === undefined || 'error' in outcome) throw outcome?.error ?? new Error('no outcome');
    discardKeys(outcome.keys);
  } finally {
    discardOpening(opening, keys);
  }
}

const OPERATIONS: readonly (readonly [name: string, act: () => unknown])[] = [
  [
    'blinding and a ladder',
    () => {
      const key = blindIdentity(identity, kpHsId, period);
      try {
        signLadder(key, kpHsDescSign, profile, period);
      } finally {
        key.secret.wipe();
      }
    },
  ],
  ['vouching', () => vouch(identity, kpHsId, checkpointKey)],
  ['sealing an envelope', seal],
  [
    'opening it with a paper key',
    () =>
      withPaperKey(age.keyFile, key =>
        openEnvelope(envelope, { kpHsId, unlock: unlockWithPaper(key) }, () => undefined),
      ),
  ],
  [
    'opening a copy with its passphrase',
    () =>
      withReadyKey({ kind: 'passphrase', source: `file:${wordsFile}` }, key => verifyCopy(copy, kpHsId, key)),
  ],
  ['a new identity', () => withScratch(96, makeIdentity)],
  [
    'reading a PEM key',
    () => withScratch(96, bytes => readIdentityFile(bytes, file('key.pem', onionbalanceKey.pem))),
  ],
  ['the state of a keyholder', useState],
  ['a period key', usePeriodKey],
];

describe('when a call of libsodium fails, nothing is left in locked memory of', () => {
  const wasUsedMeanwhile = async (act: () => unknown): Promise<void> => {
    const before = sodium.used;
    // The first time takes the pages and fills memories of public values.
    await act();
    const calls = await sodium.count(act);
    expect(sodium.used).toBe(before);
    let hits = 0;
    for (const at of spread(calls, 60)) {
      const outcome = await sodium.run(act, at, 'fails');
      // The number of calls follows public numbers, which are other ones each time.
      if (outcome.hit) expect(outcome, `call ${at} of ${calls}`).toHaveProperty('thrown');
      if (outcome.hit) hits += 1;
      expect(sodium.used, `after call ${at} of ${calls}`).toBe(before);
    }
    expect(hits).toBeGreaterThanOrEqual(0.9 * Math.min(calls, 60));
  };

  test.each(OPERATIONS)('%s', async (_, act) => wasUsedMeanwhile(act));

  test('the keyholder at an opening', async () => {
    const state = mkdtempSync(join(folder, 'opening-'));
    const source = parseHostKeySource(`file:${join(state, 'host.key')}`);
    HostState.create(join(state, 'keyholder'), source);
    const host = HostState.open(join(state, 'keyholder'), source);
    await wasUsedMeanwhile(() => openService(host));
    host.close();
  });

  test('and what is left would be seen', () => {
    const before = sodium.used;
    const secret = Secret.random(32);
    expect(sodium.used).toBe(before + 1);
    secret.wipe();
    expect(sodium.used).toBe(before);
  });
});
