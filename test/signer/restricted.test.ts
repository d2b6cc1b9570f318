import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Bytes,
  encodeClientAuthFile,
  openCookie,
  openDescriptor,
  parseKpHscDescEnc,
  TOR_NETWORK,
  timePeriod,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { SignedDescriptor } from '../../src/signer/contract/requests.ts';
import type { SignedTarget } from '../../src/signer/ports.ts';
import { signDescriptor } from '../../src/signer/sign-descriptor.ts';
import { describeServices, describeStatus } from '../../src/signer/status.ts';
import { noise } from '../descriptor/forge.ts';
import { createRig, type Rig } from '../pkcs11/keyholder-rig.ts';
import { CoreRig, PUBLISHER } from './core-rig.ts';
import { rejection } from './failure.ts';

const CLIENT = noise('a client', 32);
const KEY = parseKpHscDescEnc(x25519PublicKey(CLIENT));
const LIMITS = '{ points: 2..20 }';
const CLIENTS = `clients: { alice: ${encodeClientAuthFile(KEY).trimEnd()} }\n`;

let rig: Rig;
let keyholder: Keyholder;
let core: CoreRig;
let clock: number;
/** Every target that the keyholder gave, as the core got it. */
let given: SignedTarget[];

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now();
  keyholder = rig.keyholder({ clock: () => clock });
  await keyholder.prepare();
});
afterAll(async () => {
  keyholder.close();
  await rig.dispose();
});
beforeEach(() => {
  restrict();
  open(CLIENTS);
});
afterEach(() => core.dispose());

/** The list has this many clients, the policy's first. */
function restrict(count = 1): number {
  const others = Array.from({ length: count - 1 }, (_, i) =>
    parseKpHscDescEnc(x25519PublicKey(noise(`other ${i}`, 32))),
  );
  const clients = [KEY, ...others].sort((a, b) => Buffer.compare(a, b));
  const serial = rig.listSerial + 1;
  rig.writeList({}, { clients, clientsSerial: serial, settingsSerial: serial });
  keyholder.reload();
  return serial;
}

/** A core with these lines in the policy of `alpha`; what it is given is noted. */
function open(lines: string): void {
  core?.dispose();
  core = new CoreRig(rig, keyholder, LIMITS, lines);
  core.clock = () => Math.floor(clock / 1000);
  given = [];
  const { keyholder: port } = core.core;
  const sign = port.sign.bind(port);
  Object.assign(port, {
    sign: async (order: Parameters<typeof sign>[0]) => {
      const answer = await sign(order);
      if ('signed' in answer) given.push(...answer.signed);
      return answer;
    },
  });
}

async function sign() {
  clock += 1000;
  const outcome = await signDescriptor(core.core, PUBLISHER, core.request());
  if (outcome.kind !== 'signed') throw new Error(outcome.denied.rule);
  return outcome.answer;
}

function openAs(client: Bytes, { text, period, useFrom }: SignedDescriptor) {
  const periods = [timePeriod(TOR_NETWORK, period.periodNum)];
  const options = { kpHsId: rig.alpha, periods, nowSeconds: useFrom };
  const bytes = Buffer.from(text, 'utf8');
  const { middle, inner, subcredential } = openDescriptor(bytes, options);
  const descriptorCookie = openCookie(client, middle, subcredential);
  if (descriptorCookie === undefined) return { inner, cookie: undefined };
  return { inner: openDescriptor(bytes, { ...options, descriptorCookie }).inner, cookie: descriptorCookie };
}

describe('a restricted service', () => {
  it('is signed for its clients, and the core keeps no cookie', async () => {
    const answer = await sign();
    const cookies = answer.descriptors.map(text => {
      expect(openAs(noise('a stranger', 32), text)).toEqual({ inner: undefined, cookie: undefined });
      const { inner, cookie } = openAs(CLIENT, text);
      expect(inner?.introductionPoints).toHaveLength(2);
      return Buffer.from(cookie ?? []);
    });
    expect(given.map(({ descriptorCookie }) => descriptorCookie)).toEqual(
      cookies.map(cookie => new Uint8Array(cookie.length)),
    );
    const kept = readdirSync(core.folder).map(name => readFileSync(join(core.folder, name)));
    const said = Buffer.from(JSON.stringify([answer, core.lines]));
    for (const cookie of cookies) {
      for (const place of [...kept, said]) {
        expect(place.includes(cookie)).toBe(false);
        expect(place.includes(cookie.toString('hex')) || place.includes(cookie.toString('base64'))).toBe(
          false,
        );
      }
    }
    // Control: the texts that they open are there.
    const [first] = answer.descriptors;
    expect(kept.some(bytes => bytes.includes(first?.text.slice(0, 100) ?? '-'))).toBe(true);
  });

  it('tells its publisher a serial, and the operator how many clients there are', async () => {
    const serial = rig.listSerial;
    expect((await sign()).settings).toBe(serial);
    const { services } = await describeServices(core.core, PUBLISHER);
    expect(services).toMatchObject([{ service: 'alpha', settings: serial }]);
    expect(JSON.stringify(services)).not.toMatch(/client|alice/u);
    expect((await describeStatus(core.context, undefined)).services[0]?.clients).toBe(1);
    expect((await describeStatus(core.context, PUBLISHER)).services[0]).not.toHaveProperty('clients');
  });

  it('is asked for again, not stopped, while core and keyholder have two lists', async () => {
    core.policySerial -= 1;
    const error = await rejection(sign());
    expect([error.code, error.retryAfter]).toEqual(['NOT_READY', 1]);
    expect([given, [...core.core.latched]]).toEqual([[], []]);
    core.policySerial += 1;
    expect((await sign()).descriptors.length).toBeGreaterThan(0);
  });

  it.each([
    ['more client lines than policy has clients', CLIENTS, 17],
    ['clients where policy has none', '', 1],
    [
      'no CAA record where policy has one',
      `${CLIENTS}caa: [{ flags: 0, tag: issue, value: ca.example }]\n`,
      1,
    ],
    ['no caa-critical where policy has it', `${CLIENTS}caa_critical: true\n`, 1],
  ])('is stopped when the keyholder made a text with %s', async (_, lines, count) => {
    restrict(count);
    open(lines);
    expect((await rejection(sign())).code).toBe('SERVICE_LATCHED');
    expect(given.length).toBeGreaterThan(0);
    for (const { descriptorCookie } of given) expect(descriptorCookie).toEqual(new Uint8Array(16));
    expect((await rejection(sign())).code).toBe('SERVICE_LATCHED');
  });
});
