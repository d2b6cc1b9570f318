import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { describeAdministrators } from './daemon/administrators.ts';
import { describeAnswers } from './daemon/answers.ts';
import { describeApply } from './daemon/apply.ts';
import { backendAddress } from './daemon/backends.ts';
import { describeBadInput } from './daemon/bad-input.ts';
import { describeFirstOpening, describeLostToken } from './daemon/custody.ts';
import { describeEvidenceAge } from './daemon/evidence-age.ts';
import { describeExplain } from './daemon/explain.ts';
import { OTHER_PUBLISHER, PUBLISHER, SignerHome } from './daemon/home.ts';
import { describeLogs } from './daemon/logs.ts';
import { describeMeasures } from './daemon/measures.ts';
import { describePinLiterals } from './daemon/pin-literals.ts';
import { describeRecovery } from './daemon/recovery.ts';
import { describeState } from './daemon/state.ts';

// The whole daemon as real processes: core, keyholder and token process on SoftHSM. The test plays the backends. The
// blocks below follow each other on the same two signers: one that serves, one that was never opened.

const LIMITS = ['limits: { points: 2..6, min_backends: 2, requests: 3000/h }'];
const FRONTPAGE = { publisher: PUBLISHER, backends: ['box-1', 'box-2'], lines: LIMITS };

let folder: string;
let hsm: SoftHsm;
let home: SignerHome;
let fresh: SignerHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'daemon-'));
  hsm = await createSoftHsm();
  [home, fresh] = [new SignerHome(join(folder, 'serving'), hsm), new SignerHome(join(folder, 'fresh'), hsm)];
  await home.configure();
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  await Promise.all([prepareHome(), prepareFresh()]);
});

async function prepareHome(): Promise<void> {
  await home.succeed('init');
  await Promise.all([
    home.addService('frontpage', FRONTPAGE),
    home.addService('elsewhere', { publisher: OTHER_PUBLISHER, backends: ['far-1'] }),
  ]);
  // Disabled, so that nobody misses its identity.
  home.addresses.set('asleep', backendAddress('asleep'));
  const asleep = { publisher: PUBLISHER, backends: ['bed-1'], lines: ['enabled: false'] };
  await home.writePolicy('asleep', asleep);
  await home.succeed('policy', 'apply', '--yes');
}

/** Its PIN is a file of its own, which a test may spoil. */
async function prepareFresh(): Promise<void> {
  const pinFile = join(hsm.folder, 'pin-of-fresh');
  await copyFile(hsm.pinFile, pinFile);
  await fresh.configure({ pin: `file:${pinFile}`, runway: '1s', deadline: '3s' });
  await fresh.succeed('init');
  await fresh.addService('frontpage', FRONTPAGE);
  await fresh.succeed('policy', 'apply', '--yes');
}

afterAll(async () => {
  await Promise.all([home.dispose(), fresh.dispose()]);
  await hsm.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe('a signer made by its own commands', () => describeAnswers(() => home));
describe('a running signer', () => describeBadInput(() => home));
describe('a token that goes away', () => describeLostToken(() => home));
describe('before the first opening', () => describeFirstOpening(() => fresh));
describe('policy apply', () => describeApply(() => home));
describeAdministrators(() => home);
describe('policy check and policy explain', () => describeExplain(() => home));
describe('a PIN', () => describePinLiterals(() => home));
describe('the state of a signer', () =>
  describeState(
    () => home,
    () => fresh,
  ));
describe('a recovery', () => describeRecovery(() => fresh));
describe('measures of the operator', () => describeMeasures(() => home));
describe('evidence', () => describeEvidenceAge(() => home));
describe('addresses, keys and points', () => describeLogs(() => [home, fresh]));
