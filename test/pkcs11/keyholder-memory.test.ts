import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TOR_NETWORK } from '../../src/descriptor/index.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import { wantedPeriods } from '../../src/pkcs11/openings.ts';
import { makeKnownIdentity } from '../e2e/identity-needles.ts';
import { keyholderNeedles } from '../e2e/keyholder-needles.ts';
import { type Needle, scanProcess } from '../e2e/memory-scan.ts';
import { type Rig, createRig, now } from './keyholder-rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig();
});
afterAll(() => rig.dispose());

/** Seed and secret of each period key, from the state on disk. */
const secretsOnDisk = (): Needle[] =>
  keyholderNeedles(rig.paths).filter(({ name }) => /^(?:seed|secret) /u.test(name));

test('a keyholder never has the identity; period keys are in its memory until they are over, and then gone', async () => {
  const identity = makeKnownIdentity();
  const keyFile = join(rig.folder, 'hs_ed25519_secret_key');
  writeFileSync(keyFile, identity.file, { mode: 0o600 });
  const sealed = await new TokenClient({ env: rig.hsm.env, deadlineMs: 120_000 }).seal({
    tokens: [rig.hsm.access()],
    ageRecipients: [],
    source: { kind: 'import', path: keyFile },
  });
  const envelopePath = join(rig.folder, 'known.age');
  writeFileSync(envelopePath, sealed.envelope, { mode: 0o600 });
  const { services } = rig.writeList({}, { kpHsId: sealed.kpHsId, envelopePath });
  // One service is enough.
  rig.writeList({ services: services.slice(0, 1) });
  const needles = identity.needles(wantedPeriods(TOR_NETWORK, now(), 3 * 86_400).slice(0, 2));

  const program = fileURLToPath(new URL('./programs/hold-keyholder.ts', import.meta.url));
  const start = JSON.stringify({ ...rig.paths, env: rig.hsm.env });
  const child = spawn(process.execPath, ['--no-warnings', program, start], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const pid = child.pid ?? 0;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => String((await lines.next()).value);
  try {
    expect(await nextLine()).toBe('UP');
    child.stdin.write('prepare\n');
    const opener = Number(/^CHILD (\d+)$/u.exec(await nextLine())?.[1]);
    // While its token process works.
    expect(opener).toBeGreaterThan(0);
    expect(scanProcess(pid, needles).found).toEqual([]);
    expect(await nextLine()).toBe('DONE prepared');

    const secrets = secretsOnDisk();
    const names = secrets.map(({ name }) => name).toSorted();
    expect(names.length).toBeGreaterThanOrEqual(8);
    const held = scanProcess(pid, [...needles, ...secrets]);
    expect(held.found.toSorted()).toEqual(names);
    expect(held.bytesRead).toBeGreaterThan(10_000_000);

    // Twelve days later all of them are over.
    child.stdin.write('forward 1036800\n');
    expect(await nextLine()).toBe('DONE 0');
    expect(secretsOnDisk()).toEqual([]);
    expect(scanProcess(pid, [...needles, ...secrets]).found).toEqual([]);

    // Positive control: this process has all of them.
    const all = [...needles, ...secrets];
    const own = scanProcess(process.pid, all).found;
    expect(all.map(({ name }) => name).filter(name => !own.includes(name))).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}, 600_000);
