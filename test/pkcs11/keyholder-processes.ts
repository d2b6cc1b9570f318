import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { type KeyholderClient, connectKeyholder, spawnKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import { type Rig, createRig, now } from './keyholder-rig.ts';

export const ENTRY = fileURLToPath(new URL('../../dist/pkcs11/keyholder.js', import.meta.url));
// oxlint-disable-next-line import/no-mutable-exports -- set once, before the tests of a file
export let rig: Rig;
const open: { close(): Promise<void> }[] = [];

/** A keyholder as our child; closed after the test. */
export const start = async (
  changes: Partial<Rig['paths']> = {},
  onSpawn?: (pid: number) => void,
): Promise<KeyholderClient> => {
  const options = { env: rig.hsm.env, ...(onSpawn ? { onSpawn } : {}) };
  const client = await spawnKeyholder({ ...rig.paths, ...changes }, options);
  open.push(client);
  return client;
};

/** Waits for the next second of the clock, which the keyholder shares: it signs nothing for the one it started in. */
export const nextSecond = async () => {
  const at = now();
  while (now() <= at) await new Promise(done => setTimeout(done, 20));
  return now();
};

/** A keyholder that listens, as in a unit of its own. */
export async function listen() {
  const socket = join(rig.folder, 'keyholder.sock');
  const { state, list, hostKey } = rig.paths;
  const args = [ENTRY, '--state', state, '--list', list, '--host-key', hostKey, '--socket', socket];
  const child = spawn(process.execPath, ['--no-warnings', ...args], {
    env: rig.hsm.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  open.push({
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  });
  await expect
    .poll(() => connectKeyholder(socket).then(client => client.close()), { timeout: 20_000 })
    .toBeUndefined();
  return { socket, child, said: () => said };
}

/** One rig for a file of tests, a fresh state and list for each. */
export function useRig(): void {
  beforeAll(async () => {
    rig = await createRig();
  });
  afterAll(() => rig.dispose());
  beforeEach(() => {
    rig.reset();
    rig.writeList();
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
}

/** Process ids of the children of a process, now. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
