import { spawn } from 'node:child_process';
import { createHash, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '../../src/descriptor/index.ts';
import { scanFolder, scanProcess } from '../e2e/memory-scan.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import keyFiles from '../vectors/arti-tor-service-keys.json' with { type: 'json' };
import onionbalanceKey from '../vectors/onionbalance-key.json' with { type: 'json' };

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await createSoftHsm();
  await hsm.makeKey();
});
afterAll(() => hsm.dispose());

const torFile = Buffer.from(fromHex(keyFiles.secretKeyFile));
const pemFile = Buffer.from(onionbalanceKey.pem);
const seed = createPrivateKey(onionbalanceKey.pem).export({ format: 'der', type: 'pkcs8' }).subarray(16);
const expanded = createHash('sha512').update(seed).digest();

/** Key files, what of them must be nowhere else, and what of it the token process has before the file ends. */
const FILES = [
  {
    kind: 'the key file of tor',
    file: torFile,
    identity: [
      { name: 'prf half', bytes: torFile.subarray(32 + 32) },
      { name: 'scalar', bytes: torFile.subarray(32, 32 + 32) },
    ],
    early: ['PIN', 'prf half', 'scalar'],
  },
  {
    kind: 'the PEM key of Onionbalance',
    file: pemFile,
    identity: [
      { name: 'digits of the seed', bytes: pemFile.subarray(28 + 22, 28 + 64) },
      { name: 'prf half', bytes: expanded.subarray(32) },
      // But its first and last byte, which are clamped.
      { name: 'scalar', bytes: expanded.subarray(1, 31) },
      { name: 'seed', bytes: seed },
    ],
    early: ['PIN', 'digits of the seed'],
  },
];

test.each(FILES)(
  'of $kind identity and PIN are in the memory of the token process only, and gone with it',
  async ({ file, identity, early }) => {
    const pin = { name: 'PIN', bytes: Buffer.from(readFileSync(hsm.pinFile, 'latin1').trim()) };
    const program = fileURLToPath(new URL('./programs/seal-and-open.ts', import.meta.url));
    const gate = mkdtempSync(join(tmpdir(), 'token-memory-'));
    const args = [program, JSON.stringify(hsm.access()), gate];
    const parent = spawn(process.execPath, ['--no-warnings', ...args], {
      env: { ...process.env, ...hsm.env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
      const nextLine = async (): Promise<string> => {
        const { done, value } = await lines.next();
        return done === true ? 'ENDED' : value;
      };
      const nextChild = async (): Promise<number> => Number(/^CHILD (\d+)$/u.exec(await nextLine())?.[1]);
      const sealer = await nextChild();
      writeFileSync(join(gate, String(sealer)), '');

      // The child has the file but no end of input yet: it waits with the identity in hand.
      parent.stdin.write(file);
      let found: string[] = [];
      while (early.some(name => !found.includes(name)) && existsSync(`/proc/${sealer}/mem`)) {
        ({ found } = scanProcess(sealer, [...identity, pin]));
        await pause(20);
      }
      expect(found.toSorted()).toEqual(early);
      expect(scanProcess(parent.pid ?? 0, [...identity, pin]).found).toEqual([]);

      parent.stdin.end();
      const opener = await nextChild();
      expect(existsSync(`/proc/${sealer}`)).toBe(false);
      // The positive control: it is there until it has opened, alone in a group of its own.
      await expect.poll(() => commandLine(opener), { timeout: 60_000 }).toContain('token-process');
      expect(groupOf(opener)).toEqual([opener]);
      writeFileSync(join(gate, String(opener)), '');
      expect(await nextLine()).toBe('DONE');
      expect(existsSync(`/proc/${opener}`)).toBe(false);
      expect(groupOf(opener)).toEqual([]);

      const after = scanProcess(parent.pid ?? 0, [...identity, pin]);
      expect(after.bytesRead).toBeGreaterThan(10_000_000);
      expect(after.found).toEqual([]);
      expect(scanFolder(hsm.folder, identity).found).toEqual([]);
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      rmSync(gate, { recursive: true });
    }
  },
  600_000,
);

const commandLine = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1');

/** The processes of a process group. */
function groupOf(leader: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/u.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader;
      } catch {
        return false; // it ended while we looked
      }
    });
}
