import { expect, test, vi } from 'vitest';
import { noise } from './forge.ts';

const MODULE = '../../src/descriptor/primitives.ts';

test('a Node of before 24.4, which takes an encoding where the length would stand, gives the same KDF', async () => {
  const data = noise('input', 100);
  const { shake256 } = (await import(MODULE)) as typeof import('../../src/descriptor/primitives.ts');
  let refused = 0;
  vi.resetModules();
  vi.doMock('node:crypto', async original => {
    const crypto = await original<typeof import('node:crypto')>();
    const hash = (name: string, bytes: string | Uint8Array, encoding?: unknown): unknown => {
      if (typeof encoding === 'object') {
        refused += 1;
        throw new TypeError('The "outputEncoding" argument must be of type string');
      }
      return crypto.hash(name, bytes, encoding as 'hex');
    };
    return { ...crypto, hash };
  });
  const older = (await import(MODULE)) as typeof import('../../src/descriptor/primitives.ts');
  expect([older.shake256(data, 112), refused]).toEqual([shake256(data, 112), 1]);
});
