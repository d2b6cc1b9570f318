import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha3_256 } from '@noble/hashes/sha3.js';
import { runCommand } from '../../e2e/managed-process.ts';
import { type Attack, mustHold } from '../attack.ts';
import type { Thief } from '../thief.ts';

/** A v3 address with a right checksum over any 32 bytes (rend-spec-v3 §6). */
function addressOf(key: Uint8Array): string {
  const checksum = sha3_256(Buffer.concat([Buffer.from('.onion checksum'), key, Buffer.of(3)])).subarray(
    0,
    2,
  );
  const bits = [...key, ...checksum, 3].map(byte => byte.toString(2).padStart(8, '0')).join('');
  const digits = bits.match(/.{5}/gu) ?? [];
  return `${digits.map(digit => 'abcdefghijklmnopqrstuvwxyz234567'.charAt(Number.parseInt(digit, 2))).join('')}.onion`;
}

/** The point of order two, and a true backend's key with it added. */
function torsionAddresses(): readonly string[] {
  const { Point } = ed25519;
  const smallOrder = Buffer.from(`ec${'ff'.repeat(30)}7f`, 'hex');
  const mixedOrder = Point.BASE.multiply(7n).add(Point.fromBytes(smallOrder, true)).toBytes();
  return [addressOf(smallOrder), addressOf(mixedOrder)];
}

/** Exit code and first word of `policy check` on a copy of the policies in which the backends are these. */
async function check({ stage }: Thief, backends: readonly string[]): Promise<[code: number, said: string]> {
  const folder = await mkdtemp(join(stage.folder, 'policies-'));
  try {
    await cp(join(stage.signerFolder, 'policies'), join(folder, 'policies'), { recursive: true });
    await cp(join(stage.signerFolder, 'signer.yaml'), join(folder, 'signer.yaml'));
    const file = join(folder, 'policies', `${stage.service}.yaml`);
    const [head = ''] = (await readFile(file, 'utf8')).split('backends:');
    const lines = backends.map((address, index) => `  box-${index}: ${address}`);
    await writeFile(file, `${head}backends:\n${lines.join('\n')}\n`);
    const args = ['--config', join(folder, 'signer.yaml'), 'policy', 'check'];
    const { code, stderr } = await runCommand('onion-signer', args, { env: stage.hsm.env });
    return [code, /[A-Z][A-Z0-9_-]{5,}/u.exec(stderr)?.[0] ?? stderr];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Backends that would make evidence out of what anybody can sign, or out of our own texts. */
export const policyDoors: Attack = {
  ids: ['E4', 'E6'],
  title: 'the service’s own address, or a torsion key, as backend',
  run: async thief => {
    const { address, network } = thief.stage;
    const full = (name: string): string => `${name.replace(/\.onion$/u, '')}.onion`;
    const honest = network.backends.map(each => full(each.address));
    const [wellCode, said] = await check(thief, honest);
    mustHold(wellCode === 0, `the honest policy is refused: ${said}`);
    const [ownCode, own] = await check(thief, [...honest, full(address)]);
    mustHold(ownCode !== 0 && own === 'BACKEND-NOT-OURS', `our own address as backend: ${own}`);
    for (const torsion of torsionAddresses()) {
      const [code, end] = await check(thief, [...honest, torsion]);
      mustHold(code !== 0 && /^(?:BAD_VALUE|BACKEND-KEY)$/u.test(end), `a torsion key as backend: ${end}`);
    }
    return `${own}; torsion: BAD_VALUE`;
  },
};
