import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '../../src/descriptor/index.ts';
import { scanFolder, scanProcess } from '../e2e/memory-scan.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import keyFiles from '../vectors/arti-tor-service-keys.json' with { type: 'json' };

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await createSoftHsm();
  await hsm.makeKey();
});
afterAll(() => hsm.dispose());

test('identity and PIN are in the memory of the token process only, and gone with it', async () => {
  const file = Buffer.from(fromHex(keyFiles.secretKeyFile));
  const identity = [
    { name: 'scalar', bytes: file.subarray(32, 64) },
    { name: 'prf half', bytes: file.subarray(64, 96) },
  ];
  const pin = { name: 'PIN', bytes: Buffer.from(readFileSync(hsm.pinFile, 'latin1').trim()) };
  const program = fileURLToPath(new URL('./programs/seal-and-open.ts', import.meta.url));
  const parent = spawn(process.execPath, ['--no-warnings', program, JSON.stringify(hsm.access())], {
    env: { ...process.env, ...hsm.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
    const nextLine = async (): Promise<string> => {
      const { done, value } = await lines.next();
      return done === true ? 'ENDED' : value;
    };
    const sealer = Number(/^CHILD (\d+)$/u.exec(await nextLine())?.[1]);

    // The child has the file but no end of input yet: it waits with the identity in hand.
    parent.stdin.write(file);
    let found: string[] = [];
    while (!found.includes('scalar') && existsSync(`/proc/${sealer}/mem`)) {
      ({ found } = scanProcess(sealer, [...identity, pin]));
      await pause(20);
    }
    expect(found).toEqual(['PIN', 'prf half', 'scalar']);
    expect(scanProcess(parent.pid ?? 0, [...identity, pin]).found).toEqual([]);

    parent.stdin.end();
    const opener = Number(/^CHILD (\d+)$/u.exec(await nextLine())?.[1]);
    expect(existsSync(`/proc/${sealer}`)).toBe(false);
    expect(await nextLine()).toBe('DONE');
    expect(existsSync(`/proc/${opener}`)).toBe(false);

    const after = scanProcess(parent.pid ?? 0, [...identity, pin]);
    expect(after.bytesRead).toBeGreaterThan(10_000_000);
    expect(after.found).toEqual([]);
    expect(scanFolder(hsm.folder, identity).found).toEqual([]);
  } finally {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
  }
});
