import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { type SignOutcome, signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
/** By how many seconds the clock of core and keyholder is ahead. */
let skew = 0;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  keyholder = rig.keyholder({ clock: () => Date.now() + skew * 1000 });
  await keyholder.prepare();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(() => {
  core = new CoreRig(rig, keyholder, '{ points: 2..20 }');
  core.clock = () => Math.floor(Date.now() / 1000) + skew;
});
afterEach(() => core.dispose());

const released = (): number =>
  [...core.core.journal.archive.entries()].filter(({ entry }) => entry.kind === 'released').length;

describe('a keyholder that answers one wrong text', () => {
  it('stops that service: nothing of it leaves, and nothing is asked of a keyholder that is right again', async () => {
    const { keyholder: port, latched } = core.core;
    const wrong: typeof port.sign = async order => {
      const answer = await port.sign(order);
      if (!('signed' in answer)) return answer;
      const signed = answer.signed.map(target => ({ ...target, text: withBadSignature(target.text) }));
      return { signed };
    };
    // Each in a second of its own, and none in that of the start.
    const sign = (asked: SignRequest, change: Partial<typeof port> = {}): Promise<SignOutcome> => {
      skew += 2;
      return signDescriptor({ ...core.core, keyholder: { ...port, ...change } }, PUBLISHER, asked);
    };
    expect(await sign(core.request())).toMatchObject({ kind: 'signed' });
    const request = core.request();
    expect((await rejection(sign(request, { sign: wrong }))).code).toBe('SERVICE_LATCHED');
    expect([[...latched], released()]).toEqual([['alpha'], 1]);
    const before = core.asked.filter(name => name === 'sign').length;
    expect(before).toBe(2);
    for (const again of [request, core.request()])
      expect((await rejection(sign(again))).code).toBe('SERVICE_LATCHED');
    expect(core.asked.filter(name => name === 'sign')).toHaveLength(before);
  });
});

/** The signature is the last word; its first digit becomes another. */
function withBadSignature(text: Uint8Array): Uint8Array {
  const at = Buffer.from(text).lastIndexOf(' ') + 1;
  return text.with(at, text[at] === 0x41 ? 0x42 : 0x41);
}
