import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { formatOnionAddress } from '../../src/descriptor/index.ts';
import { newServiceState, readState, startState, writeState } from '../../src/publisher/state.ts';
import { identity } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';

const SIGNER = 'unix:/run/s.sock';
const DESCRIPTION = {
  service: 'frontpage',
  address: formatOnionAddress(identity('state').kpHsId),
  network: { name: 'tor', votingIntervalSeconds: 3600, periodLengthMinutes: 1440 },
  backends: [],
  limits: { minPoints: 1, maxPoints: 20, minBackends: 1, maxPointsPerBackend: 20 },
  runwaySeconds: 21_600,
  settings: 3,
};

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'publisher-state-'));
  file = join(folder, 'state.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the state is read as it was written, and its absence is none', () => {
  expect(readState(folder)).toBeUndefined();
  const service = newServiceState(SIGNER, DESCRIPTION);
  const state = { ...startState(undefined, [SIGNER], 5), services: { frontpage: service } };
  writeState(folder, state);
  expect(readState(folder)).toEqual(state);
});

test.each([1, 2, 4])('a state of version %i is of another release, not damaged', async version => {
  writeState(folder, startState(undefined, [SIGNER], 5));
  const written = readFileSync(file, 'utf8');
  // What a version had besides is no matter.
  const other = written.replace('"version":3,', `"version":${version},"more":true,`);
  expect(other).not.toBe(written);
  writeFileSync(file, other, { mode: 0o600 });
  await expectCode('STATE_VERSION', () => readState(folder));
});

test.each(['{}', '{"version":"3"}', '{"version":3}', '[3]', 'null', '{"version":', ''])(
  'a state that reads %j is damaged',
  async text => {
    writeFileSync(file, text, { mode: 0o600 });
    await expectCode('STATE_CORRUPT', () => readState(folder));
  },
);
