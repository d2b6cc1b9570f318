import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';
import { describeAnswers } from './daemon/answers.ts';
import { describeBadInput } from './daemon/bad-input.ts';
import { OTHER_PUBLISHER, PUBLISHER, SignerHome } from './daemon/home.ts';

// The whole daemon as real processes: core, keyholder and token process on SoftHSM. The test plays the backends.

let folder: string;
let home: SignerHome;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'daemon-'));
  const hsm = await createSoftHsm();
  home = new SignerHome(join(folder, 'signer'), hsm);
  await home.configure();
  await home.succeed('init');
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  const limits = ['limits: { points: 2..6, min_backends: 2, requests: 3000/h }'];
  await home.addService('frontpage', { publisher: PUBLISHER, backends: ['box-1', 'box-2'], lines: limits });
  await home.addService('elsewhere', { publisher: OTHER_PUBLISHER, backends: ['far-1'] });
  await home.addService('asleep', { publisher: PUBLISHER, backends: ['bed-1'], lines: ['enabled: false'] });
  await home.succeed('policy', 'apply', '--yes');
});

afterAll(async () => {
  if (process.env['DBG']) console.log(home.logs());
  await home.dispose();
  await home.hsm.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe('a signer made by its own commands', () => describeAnswers(() => home));
describe('a running signer', () => describeBadInput(() => home));
