import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Bytes,
  type KpHscDescEnc,
  type OpenedDescriptor,
  TOR_NETWORK,
  openCookie,
  openDescriptor,
  openDescriptorWithNoble,
  parseKpHscDescEnc,
  timePeriod,
  toHex,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import type { SignedDescriptor } from '../../src/pkcs11/keyholder-messages.ts';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { ListAccess } from '../../src/pkcs11/list-access.ts';
import { noise } from '../descriptor/forge.ts';
import { type Rig, backendDescriptor, createRig, refusalOf, pointsOf, targetsAt } from './keyholder-rig.ts';

let rig: Rig;
let keyholder: Keyholder;
let clock: number;
let evidence: string;

beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  clock = Date.now();
  const first = rig.keyholder({ clock: () => clock });
  await first.prepare();
  first.close();
});
afterAll(() => rig.dispose());

beforeEach(() => {
  clock += 10_000;
  rig.writeList();
  keyholder = rig.keyholder({ clock: () => clock });
});
afterEach(() => keyholder.close());

/** A client's private key. */
const clientOf = (name: string | number): Bytes => noise(`client ${name}`, 32);
const clients = (count: number): Bytes[] => Array.from({ length: count }, (_, i) => clientOf(i));
const publicOf = (client: Bytes): KpHscDescEnc => parseKpHscDescEnc(x25519PublicKey(client));

/** Puts a set in force as `policy apply` does: under the new serial, unless the set was not changed. */
function admit(set: readonly Bytes[], changes: Partial<ListAccess> = {}): void {
  const serial = rig.listSerial + 1;
  const keys = set.map(publicOf).sort((a, b) => Buffer.compare(a, b));
  rig.writeList({}, { clients: keys, clientsSerial: serial, settingsSerial: serial, ...changes });
  keyholder.reload();
  evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
}

/** The texts of both periods, a second later than those before. */
function sign(listSerial = rig.listSerial): Promise<SignedDescriptor[]> {
  clock += 1000;
  const targets = targetsAt(Math.floor(clock / 1000));
  return keyholder.sign({ kpHsId: rig.alpha, listSerial, points: pointsOf(evidence, 0, 1), targets });
}

async function signOne(): Promise<SignedDescriptor> {
  const [first] = await sign();
  if (first === undefined) throw new Error('nothing was signed');
  return first;
}

function optionsFor({ periodNum, second }: SignedDescriptor) {
  return { kpHsId: rig.alpha, periods: [timePeriod(TOR_NETWORK, periodNum)], nowSeconds: second };
}

const openWith = (signed: SignedDescriptor, descriptorCookie?: Bytes): OpenedDescriptor =>
  openDescriptor(signed.text, { ...optionsFor(signed), descriptorCookie });

/** What a client does with its key: undefined when no line is for it. */
function openAs(client: Bytes, signed: SignedDescriptor): OpenedDescriptor | undefined {
  const { middle, subcredential } = openWith(signed);
  const cookie = openCookie(client, middle, subcredential);
  return cookie && openWith(signed, cookie);
}

/** Everything outside the inner layer that could recur, in hex. */
function traces(signed: SignedDescriptor): string[] {
  const { middle } = openWith(signed);
  const fields = middle.authClients.flatMap(line => [line.clientId, line.iv, line.encryptedCookie]);
  return [middle.ephemeralKey, ...fields, signed.descriptorCookie ?? noise('none', 16)].map(toHex);
}

const common = (a: readonly string[], b: readonly string[]): string[] => a.filter(each => b.includes(each));

describe('a restricted service', () => {
  test.each([1, 15, 16, 17, 33])(
    'of %i clients is opened by each of them and by nobody else',
    async count => {
      admit(clients(count));
      for (const signed of await sign()) {
        const { middle, inner } = openWith(signed);
        expect(inner).toBeUndefined();
        expect(middle.authClients).toHaveLength(Math.ceil(count / 16) * 16);
        for (const client of clients(count)) {
          expect(openAs(client, signed)?.inner?.introductionPoints).toHaveLength(2);
        }
        expect(openAs(clientOf('stranger'), signed)).toBeUndefined();
        const wrong = noise('another cookie', 16);
        expect(() => openWith(signed, wrong)).toThrow(expect.objectContaining({ code: 'BAD_MAC' }) as Error);
        const { descriptorCookie } = signed;
        const again = openDescriptorWithNoble(signed.text, { ...optionsFor(signed), descriptorCookie });
        expect(again.inner?.introductionPoints).toHaveLength(2);
      }
    },
  );

  test('with no client is open: sixteen fakes and no cookie', async () => {
    admit([]);
    const signed = await signOne();
    expect(signed.descriptorCookie).toBeUndefined();
    const { middle, inner } = openWith(signed);
    expect(middle.authClients).toHaveLength(16);
    expect(inner?.introductionPoints).toHaveLength(2);
    expect(openAs(clientOf(0), signed)).toBeUndefined();
  });

  test('keeps ephemeral key, cookie, lines and their order for the period, and changes them with it', async () => {
    admit(clients(17));
    const [first, other] = await sign();
    const [next] = await sign();
    if (first === undefined || other === undefined || next === undefined) throw new Error('unsigned');
    expect(traces(next)).toEqual(traces(first));
    expect(common(traces(first), traces(other))).toEqual([]);
    expect(Buffer.compare(first.text, next.text)).not.toBe(0);
  });

  test('keeps them over a restart and over a list that changes something else', async () => {
    admit(clients(3));
    const { clientsSerial } = { clientsSerial: rig.listSerial };
    const before = traces(await signOne());
    keyholder.close();
    clock += 10_000;
    keyholder = rig.keyholder({ clock: () => clock });
    evidence = keyholder.prove(rig.alpha, backendDescriptor('a1')).digest;
    expect(traces(await signOne())).toEqual(before);
    admit(clients(3), { clientsSerial, caa: [{ flags: 128, tag: 'issue', value: 'ca.example' }] });
    expect(traces(await signOne())).toEqual(before);
  });

  test('puts clients among the fakes', async () => {
    admit(clients(20));
    const signed = await signOne();
    const { middle, subcredential } = openWith(signed);
    const lines = middle.authClients.map(({ clientId }) => toHex(clientId));
    const places = clients(20).flatMap(client =>
      middle.authClients.flatMap((line, at) =>
        openCookie(client, { ...middle, authClients: [line] }, subcredential) === undefined ? [] : [at],
      ),
    );
    expect(new Set(places).size).toBe(20);
    // Neither before the fakes nor sorted: one set in 10^8 would be.
    expect(Math.max(...places)).toBeGreaterThanOrEqual(20);
    expect(lines).not.toEqual(lines.toSorted());
  });
});

describe('a set of clients that changes', () => {
  test('shuts out who was removed at once, and lets in who stays', async () => {
    admit(clients(3));
    const before = await signOne();
    const old = before.descriptorCookie;
    expect(openAs(clientOf(2), before)?.inner).toBeDefined();
    admit(clients(2));
    const after = await signOne();
    expect(after.periodNum).toBe(before.periodNum);
    expect(openAs(clientOf(2), after)).toBeUndefined();
    expect(() => openWith(after, old)).toThrow(expect.objectContaining({ code: 'BAD_MAC' }) as Error);
    expect(openWith(before, old).inner).toBeDefined();
    expect(openAs(clientOf(1), after)?.inner).toBeDefined();
    expect(common(traces(before), traces(after))).toEqual([]);
  });

  test('gets nothing back of what it had when it returns', async () => {
    const seen: string[] = [];
    for (const set of [clients(3), clients(2), clients(3), [], clients(3), []]) {
      admit(set);
      const made = traces(await signOne()).slice(0, -1);
      expect(common(seen, made)).toEqual([]);
      seen.push(...made);
    }
  });

  test('is another one even where its serial was not raised', async () => {
    admit(clients(3), { clientsSerial: 1 });
    const before = traces(await signOne());
    admit(clients(2), { clientsSerial: 1 });
    expect(common(before, traces(await signOne()))).toEqual([]);
    admit(clients(3), { clientsSerial: 1 });
    expect(traces(await signOne())).toEqual(before);
  });

  test('tells the serial of its settings with every text and in status', async () => {
    admit(clients(1));
    expect((await sign()).map(({ settingsSerial }) => settingsSerial)).toEqual([
      rig.listSerial,
      rig.listSerial,
    ]);
    expect(keyholder.status().services[0]).toMatchObject({ clients: 1, settingsSerial: rig.listSerial });
    expect(keyholder.status().services[1]).toMatchObject({ clients: 0, settingsSerial: 1 });
  });
});

describe('what else the list puts into a text', () => {
  test('is every CAA record in its order, and caa-critical where clients can read it', async () => {
    const caa = [
      { flags: 0, tag: 'iodef', value: 'mailto:security@example.org' },
      { flags: 128, tag: 'issue', value: 'ca.example; account=1' },
    ];
    admit(clients(1), { caa, caaCritical: true });
    const restricted = await signOne();
    expect(openWith(restricted).middle.caaCritical).toBe(true);
    expect(openAs(clientOf(0), restricted)?.inner?.caa).toEqual(caa);
    admit([], { caa });
    const open = openWith(await signOne());
    expect([open.middle.caaCritical, open.inner?.caa]).toEqual([false, caa]);
    expect(open.inner?.powParams).toBeUndefined();
  });

  test('is refused as a whole when it does not fit, and fits with fewer points', async () => {
    admit(clients(368));
    const wide = keyholder.prove(rig.alpha, backendDescriptor('a2', { points: 20 })).digest;
    const order = (points: number) => {
      clock += 1000;
      const targets = targetsAt(Math.floor(clock / 1000));
      const indexes = Array.from({ length: points }, (_, i) => i);
      const { listSerial } = rig;
      return { kpHsId: rig.alpha, listSerial, points: pointsOf(wide, ...indexes), targets };
    };
    expect((await refusalOf(() => keyholder.sign(order(20)))).rule).toBe('DESCRIPTOR-SIZE');
    const [signed] = await keyholder.sign(order(3));
    expect(signed && openAs(clientOf(367), signed)?.inner?.introductionPoints).toHaveLength(3);
  });
});

describe('a core under an attacker’s control', () => {
  test('names no clients: an order of another list is refused before anything is spent', async () => {
    admit(clients(2));
    const older = rig.listSerial;
    admit(clients(1));
    clock += 1000;
    const targets = targetsAt(Math.floor(clock / 1000));
    const order = { kpHsId: rig.alpha, points: pointsOf(evidence, 0), targets };
    for (const listSerial of [older, rig.listSerial + 1, 0]) {
      expect((await refusalOf(() => keyholder.sign({ ...order, listSerial }))).rule).toBe('LIST-SERIAL');
    }
    const [signed] = await keyholder.sign({ ...order, listSerial: rig.listSerial });
    expect(signed && openAs(clientOf(0), signed)?.inner).toBeDefined();
    expect(signed && openAs(clientOf(1), signed)).toBeUndefined();
  });
});
