import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bytes } from '../../src/descriptor/index.ts';
import { Acceptance, type Taken, makeOffers, readWithPython } from './acceptance.ts';
import { collectBoth, observeBoth, observeRestricted, startStock } from './collect.ts';
import { ALPHA, compare } from './compare.ts';
import { inTurns } from './fetch-text.ts';
import type { Observed } from './observe.ts';
import { openStock, rebuild } from './rebuild.ts';
import type { StockDescriptor, StockServices } from './stock.ts';
import { STRICTNESS } from './strictness-cases.ts';
import { judge } from './strictness.ts';

// FIDELITY_SERVICES: onion services of stock tor, two descriptors each. FIDELITY_OFFERS: descriptors of ours.
const { FIDELITY_SERVICES = '60', FIDELITY_OFFERS = '40' } = process.env;
const LONG = 600_000;

let stock: StockServices;
/** What the client's tor has to say against descriptors. */
const complaints: string[] = [];

beforeAll(async () => {
  stock = await startStock(Number(FIDELITY_SERVICES), line => {
    if (/^client: .*\[warn\].*(?:HSDesc|descriptor|Invalid)/u.test(line)) complaints.push(line);
  });
}, LONG);
afterAll(async () => stock.network.stop());

const latin1 = (bytes: Bytes): string => Buffer.from(bytes).toString('latin1');

describe('Descriptors of ours', () => {
  let taken: Taken[];

  test(
    'with 1 to 20 points, with and without clients, are stored by stock tor and decoded by its client, without one complaint',
    async () => {
      const before = complaints.length;
      const acceptance = await Acceptance.prepare(stock);
      taken = await acceptance.takeAll(makeOffers(stock, Number(FIDELITY_OFFERS)));
      expect(taken).toHaveLength(Number(FIDELITY_OFFERS));
      expect(new Set(taken.map(({ points }) => points)).size).toBe(20);
      expect(taken.filter(({ cookie }) => cookie !== '')).toHaveLength(taken.length / 2);
      for (const { text, made } of taken) expect(text).toBe(made);
      expect(complaints.slice(before)).toEqual([]);
    },
    LONG,
  );

  test(
    'are read by stem, and by Onionbalance where nobody is authorized, with all their points',
    () => {
      const readings = readWithPython(taken);
      for (const [index, { stem, onionbalance }] of readings.entries()) {
        const { points, clients } = taken[index]!;
        expect(stem).toEqual({ points, clients: Math.max(16, Math.ceil(clients.length / 16) * 16) });
        // Onionbalance knows no client authorization; that it refuses shows that it does open the others.
        expect(onionbalance).toEqual(clients.length === 0 ? { points } : { refused: 'BadDescriptor' });
      }
    },
    LONG,
  );
});

describe('Stock tor and our reader', () => {
  test(
    'differ in strictness exactly where docs/fidelity.md says so',
    async () => {
      const before = complaints.length;
      const verdicts = await inTurns(STRICTNESS, 4, judgeAt);
      const expected = STRICTNESS.map(({ what, tor, ours }) => ({ what, tor, ours }));
      expect(verdicts).toEqual(expected);
      // The control for the test above: what is bad makes this client complain.
      expect(complaints.slice(before).join('\n')).toMatch(/too many introduction points[^]*mis-signed/u);
    },
    LONG,
  );

  async function judgeAt(each: (typeof STRICTNESS)[number], index: number) {
    return { what: each.what, ...(await judge(stock, each, index)) };
  }
});

describe('Descriptors of stock tor', () => {
  let descriptors: StockDescriptor[];
  let both: { stock: Observed[]; ours: Observed[] };

  beforeAll(async () => {
    descriptors = await collectBoth(stock);
  }, LONG);

  test('are of both periods, of plain and of restricted services', () => {
    expect(new Set(descriptors.map(({ period }) => period.periodNum)).size).toBe(2);
    const restricted = descriptors.filter(({ service }) => service.clients.length > 0);
    expect(restricted).toHaveLength(2);
    for (const each of restricted) expect(openStock(each).middle.authClients).toHaveLength(32);
    for (const { period, uploads } of descriptors) {
      expect(period.lengthMinutes).toBe(4);
      expect(uploads).not.toEqual([]);
    }
  });

  test('list each relay once, and share no point between the two of a service', () => {
    const seen = new Set<string>();
    for (const each of descriptors) {
      const points = openStock(each).inner!.introductionPoints;
      expect(new Set(points.map(({ linkSpecifiers }) => latin1(linkSpecifiers))).size).toBe(points.length);
      for (const { authKey } of points) expect(seen.size).toBe(seen.add(latin1(authKey)).size - 1);
    }
  });

  test(
    'are made again byte for byte: counter, certificates and the blinded key’s signature from the identity',
    () => {
      for (const each of descriptors) {
        const { text, second } = rebuild(each, stock.profile);
        expect(latin1(text)).toBe(latin1(each.text));
        // Its tor told of the upload in the second of the counter or shortly after.
        expect(each.uploads.some(upload => upload >= second && upload <= second + 3)).toBe(true);
      }
    },
    LONG,
  );

  test('are not made again with the key of another service, nor with another counter', () => {
    const [first, , third] = descriptors;
    const { kpHsId } = third!.service;
    expect(() => rebuild({ ...first!, service: { ...first!.service, kpHsId } }, stock.profile)).toThrow();
    const { identity } = third!.service;
    expect(() => rebuild({ ...first!, service: { ...first!.service, identity } }, stock.profile)).toThrow();
    const changed = latin1(first!.text).replace(/(?<=revision-counter )\d+/u, text => `${BigInt(text) + 1n}`);
    expect(() => rebuild({ ...first!, text: Buffer.from(changed, 'latin1') }, stock.profile)).toThrow();
  });

  test(
    'are not told from ours by any field that a directory or a client sees',
    async () => {
      both = await observeBoth(descriptors, stock.profile);
      expect(both.ours.length).toBeGreaterThanOrEqual(2 * Number(FIDELITY_SERVICES));
      expect(compare(both.stock, both.ours).filter(({ same }) => !same)).toEqual([]);
    },
    LONG,
  );

  test('of restricted services are not told from ours with as many clients by any field of one value', async () => {
    const { stock: theirs, ours } = await observeRestricted(descriptors, stock.profile);
    expect(theirs).toHaveLength(2);
    expect(ours.map(({ constants }) => constants)).toEqual(theirs.map(({ constants }) => constants));
    expect(ours[0]?.constants['middle count of client lines']).toBe('32');
    // Control: those of open services differ in lines and size.
    const [open] = (await observeBoth(descriptors.slice(0, 1), stock.profile)).ours;
    const differing = Object.keys(ours[0]?.constants ?? {}).filter(
      field => ours[0]?.constants[field] !== open?.constants[field],
    );
    expect(differing).toContain('middle lines, widths and wrapping, padding');
  });

  test.each<[string, (observed: Observed, index: number) => Observed]>([
    ['outer revision counter, in deviations from 32768.5·T', spoilNumbers(() => 0.01)],
    ['outer salt', spoilNumbers(value => value / 2)],
    ['outer S of the signature', spoilNumbers(value => value / 2)],
    ['inner order of the points, by auth-key', spoilCategories(() => '012')],
    ['outer last digit of the counter', spoilCategories((_, index) => String(index % 5))],
    ['outer descriptor-lifetime', spoilConstant((_, index) => (index === 0 ? '181' : '180'))],
    ['middle count of client lines', spoilConstant(() => '1')],
  ])('are told from a writer whose field differs: %s', (field, spoil) => {
    const spoilt = both.ours.map((observed, index) => only(field, observed, spoil(observed, index)));
    const different = compare(both.stock, spoilt).filter(({ same }) => !same);
    expect(different.map(each => each.field)).toEqual([field]);
    expect(different[0]!.result?.p ?? 0).toBeLessThan(ALPHA);
  });
});

type Spoil = (observed: Observed, index: number) => Observed;

function spoilNumbers(change: (value: number) => number): Spoil {
  return observed => ({
    ...observed,
    numbers: mapFields(observed.numbers, values => values.map(change)),
  });
}

function spoilCategories(change: (value: string, index: number) => string): Spoil {
  return (observed, index) => ({
    ...observed,
    categories: mapFields(observed.categories, values => values.map(value => change(value, index))),
  });
}

function spoilConstant(change: (value: string, index: number) => string): Spoil {
  return (observed, index) => ({
    ...observed,
    constants: mapFields(observed.constants, value => change(value, index)),
  });
}

function mapFields<T>(fields: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, change(value)]));
}

/** `before` with this field alone from `after`. */
function only(field: string, before: Observed, after: Observed): Observed {
  const pick = <T>(from: Readonly<Record<string, T>>, to: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(
      Object.entries(from).map(([name, value]) => [name, name === field ? to[name]! : value]),
    );
  return {
    constants: pick(before.constants, after.constants),
    numbers: pick(before.numbers, after.numbers),
    categories: pick(before.categories, after.categories),
  };
}
