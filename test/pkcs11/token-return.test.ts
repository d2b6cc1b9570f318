import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { toHex } from '../../src/descriptor/index.ts';
import { CustodyError, type CustodyErrorCode } from '../../src/pkcs11/error.ts';
import type { ListService } from '../../src/pkcs11/list.ts';
import type { TokenOpener } from '../../src/pkcs11/openings.ts';
import { TOKENS_PATIENCE_MS } from '../../src/pkcs11/preparation.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { identity } from '../descriptor/forge.ts';
import { createRig, type Rig } from './keyholder-rig.ts';

let rig: Rig;
let modules: MisbehavingModules;
let module: MisbehavingModule;
let clock: number;

beforeAll(async () => {
  rig = await createRig();
  modules = compileMisbehavingModule();
});
afterAll(async () => {
  modules.dispose();
  await rig.dispose();
});
let alpha: ListService;
beforeEach(() => {
  clock = Date.now();
  rig.reset();
  module = modules.create(rig.hsm.modulePath);
  const tokens = [{ uri: `pkcs11:token=${rig.hsm.label}`, modulePath: module.modulePath }];
  for (const service of rig.writeList({ tokens }).services.slice(0, 1)) alpha = service;
});

/** A keyholder that is asked to prepare, and gives the codes of its services. */
function keyholderWith(opener: TokenOpener) {
  const keyholder = rig.keyholder({ clock: () => clock, openerFor: () => opener });
  return {
    prepare: async (laterSeconds = 0) => {
      clock += laterSeconds * 1000;
      const codes = new Set((await keyholder.prepare()).map(({ errorCode }) => errorCode));
      return [...codes].join(' ');
    },
    close: () => keyholder.close(),
  };
}
const client = () => new TokenClient({ env: rig.hsm.env, deadlineMs: 120_000 });

describe('a token that was taken out', () => {
  test.each([
    ['no slot has a token', 'C_GetSlotList zero', 'TOKEN_NOT_FOUND'],
    ['its slot is empty', 'C_GetTokenInfo return 0xe0', 'TOKEN_NOT_FOUND'],
    ['its reader fails', 'C_OpenSession return 0x30', 'TOKEN_DEAD'],
  ])(
    'is used as soon as it is back: %s',
    async (_what, command, code) => {
      const keyholder = keyholderWith(client());
      module.command(command);
      expect(await keyholder.prepare()).toBe(code);
      expect(await keyholder.prepare(3)).toBe(code);
      expect(module.count('C_Login')).toBe(0);
      module.command();
      expect(await keyholder.prepare(5)).toBe('');
      expect(module.count('C_Login')).toBe(1);
      keyholder.close();
    },
    300_000,
  );

  test('is waited for to the end of the pause by who cannot look for it', async () => {
    const real = client();
    const keyholder = keyholderWith({ open: request => real.open(request) });
    module.command('C_GetSlotList zero');
    expect(await keyholder.prepare()).toBe('TOKEN_NOT_FOUND');
    module.command();
    expect(await keyholder.prepare(8)).toBe('TOKEN_NOT_FOUND');
    expect(await keyholder.prepare(60)).toBe('');
    keyholder.close();
  }, 300_000);
});

describe('looking for a token', () => {
  async function hourOf(found: boolean): Promise<{ openings: number; looks: number }> {
    const seen = { openings: 0, looks: 0 };
    const keyholder = keyholderWith({
      open: () => {
        seen.openings += 1;
        return Promise.reject(new CustodyError('TOKEN_DEAD'));
      },
      find: () => {
        seen.looks += 1;
        return found ? Promise.resolve() : Promise.reject(new CustodyError('TOKEN_NOT_FOUND'));
      },
    });
    for (let second = 0; second < 3600; second += 5) await keyholder.prepare(5);
    keyholder.close();
    return seen;
  }

  test('becomes rare while it is away', async () => {
    const { looks } = await hourOf(false);
    expect(looks).toBeGreaterThan(5);
    expect(looks).toBeLessThan(22);
  });

  test('lets no service be opened more often than its budget says, when it is there and fails', async () => {
    expect((await hourOf(true)).openings).toBe(4);
  });

  test('ends nobody’s pause after a failure that no token cures', async () => {
    let looks = 0;
    const keyholder = keyholderWith({
      open: () => Promise.reject(new CustodyError('ENVELOPE_MAC')),
      find: async () => {
        looks += 1;
      },
    });
    for (let i = 0; i < 5; i++) expect(await keyholder.prepare(10)).toBe('ENVELOPE_MAC');
    expect(looks).toBe(0);
    keyholder.close();
  });
});

test('tokens that do not answer cost no more than a minute in one round, and what was not tried is tried first in the next', async () => {
  const tokens = Array.from({ length: 5 }, (_, i) => ({ uri: `pkcs11:token=t${i}`, modulePath: '/m.so' }));
  rig.writeList({ tokens });
  let elapsed = 0;
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + elapsed);
  const asked: string[] = [];
  const keyholder = keyholderWith({
    open: ({ access }) => {
      asked.push(access.uri.slice(-2));
      elapsed += TOKENS_PATIENCE_MS / 2;
      return Promise.reject(new CustodyError('TOKEN_TIMEOUT'));
    },
  });
  expect(await keyholder.prepare()).toBe('TOKEN_TIMEOUT');
  expect(asked.splice(0)).toEqual(['t0', 't1']);
  expect(await keyholder.prepare(61)).toBe('TOKEN_TIMEOUT');
  expect(asked.splice(0)).toEqual(['t2', 't3']);
  expect(await keyholder.prepare(121)).toBe('TOKEN_TIMEOUT');
  expect(asked).toEqual(['t4', 't0']);
  keyholder.close();
  vi.restoreAllMocks();
});

test('services for which the minute is over before their turn ask no token, lose no opening and come first in the next round', async () => {
  const services = Array.from({ length: 40 }, (_, i) => {
    const alias = `s${String(i).padStart(2, '0')}`;
    const backends = [{ name: 'b', kpHsId: identity(`backend ${alias}`).kpHsId }];
    return { ...alpha, alias, kpHsId: identity(alias).kpHsId, backends };
  });
  const aliases = new Map(services.map(({ alias, kpHsId }) => [toHex(kpHsId), alias]));
  rig.writeList({ services });
  let elapsed = 0;
  const real = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => real() + elapsed);
  const asked: string[][] = [];
  const failures: CustodyErrorCode[] = [];
  const keyholder = keyholderWith({
    open: ({ openings }) => {
      asked.push(openings.map(({ kpHsId }) => aliases.get(toHex(kpHsId)) ?? ''));
      elapsed += TOKENS_PATIENCE_MS;
      return Promise.reject(new CustodyError(failures.shift() ?? 'ENVELOPE_PAYLOAD'));
    },
  });
  failures.push('TOKEN_TIMEOUT');
  expect(await keyholder.prepare()).toBe('TOKEN_TIMEOUT');
  expect(asked.splice(0).map(names => names.length)).toEqual([32]);
  failures.push('TOKEN_TIMEOUT');
  expect(await keyholder.prepare(1)).toBe('TOKEN_TIMEOUT');
  const [next] = asked.splice(0);
  expect(next).toEqual(services.slice(32).map(({ alias }) => alias));
  // A token that answers may take its time.
  expect(await keyholder.prepare(300)).toBe('ENVELOPE_PAYLOAD');
  expect(asked.map(names => names.length)).toEqual([32, 8]);
  keyholder.close();
  vi.restoreAllMocks();
});
