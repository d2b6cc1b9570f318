import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { encodeBase64, toHex } from '../../src/descriptor/bytes.ts';
import { openCookie } from '../../src/descriptor/client-auth.ts';
import { proveEvidence } from '../../src/descriptor/evidence.ts';
import type { Bytes, Evidence, TimePeriod } from '../../src/descriptor/index.ts';
import { openDescriptor } from '../../src/descriptor/open.ts';
import { noise } from '../descriptor/forge.ts';
import { inTurns } from './fetch-text.ts';
import { OurService } from './ours.ts';
import { latin1, publishAndFetch } from './publish.ts';
import type { StockServices } from './stock.ts';

/** Debian's interpreter: the one that has python3-stem and onionbalance. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = join(import.meta.dirname, 'read-descriptors.py');
const AT_ONCE = 8;

/** What one of our descriptors is made of. */
export interface Offer {
  readonly service: OurService;
  readonly points: number;
  /** Private keys of the clients. */
  readonly clients: readonly Bytes[];
}

/** A descriptor that stock tor's relay stored and stock tor's client decoded. */
export interface Taken extends Offer {
  /** As the client's tor fetched it. */
  readonly text: string;
  /** As it was made. */
  readonly made: string;
  /** Hex; empty when nobody is authorized. */
  readonly cookie: string;
}

/** What the two readers in Python say about one text. */
export interface Readings {
  readonly stem: { readonly points?: number; readonly clients?: number; readonly refused?: string };
  readonly onionbalance: { readonly points?: number; readonly refused?: string };
}

/** Offers with 1 to 20 points in turn; every second one has 1 to 30 clients. */
export function makeOffers(stock: StockServices, count: number): Offer[] {
  return Array.from({ length: count }, (_, index) => {
    const clients = index % 2 === 0 ? 0 : 1 + ((index * 7) % 30);
    return {
      service: new OurService(`offer ${index}`, stock.profile),
      points: 1 + (Math.floor(index / 2) % 20),
      clients: Array.from({ length: clients }, (_each, client) => noise(`client ${index} ${client}`, 32)),
    };
  });
}

/** Uploads to and fetches from one network of stock tor. */
export class Acceptance {
  readonly #stock: StockServices;
  readonly #evidence: readonly Evidence[];

  private constructor(stock: StockServices, evidence: readonly Evidence[]) {
    this.#stock = stock;
    this.#evidence = evidence;
  }

  /** Proves what the stock services publish now: their points are those of the offers. */
  static async prepare(stock: StockServices): Promise<Acceptance> {
    const open = stock.services.filter(({ clients }) => clients.length === 0);
    const texts = await inTurns(open, AT_ONCE, each => stock.current(each));
    const { profile } = stock;
    return new Acceptance(
      stock,
      texts.map(({ text, service, period }) =>
        proveEvidence(text, { backend: service.kpHsId, profile, periods: [period] }),
      ),
    );
  }

  async takeAll(offers: readonly Offer[]): Promise<Taken[]> {
    return await inTurns(offers, AT_ONCE, each => this.take(each));
  }

  /** Has one descriptor stored and fetched. Throws UploadRefused, FetchRefused. */
  async take(offer: Offer): Promise<Taken> {
    const { service, clients } = offer;
    const { client } = this.#stock.network;
    const [first] = clients;
    if (first !== undefined)
      await client.control.connection.send(
        `ONION_CLIENT_AUTH_ADD ${service.address} x25519:${encodeBase64(first)}`,
      );
    const { kpHsId } = service;
    const { made, text, period } = await publishAndFetch(this.#stock, kpHsId, (at, second) =>
      this.build(offer, at, second),
    );
    const { middle, subcredential } = openDescriptor(made, { kpHsId, periods: [period] });
    const cookie = first === undefined ? undefined : openCookie(first, middle, subcredential);
    return { ...offer, text, made: latin1(made), cookie: cookie === undefined ? '' : toHex(cookie) };
  }

  /** The text that belongs to an offer. */
  async build({ service, points, clients }: Offer, period: TimePeriod, second: number): Promise<Bytes> {
    const evidence: Evidence[] = [];
    for (let at = service.kpHsId[0]! % this.#evidence.length; countPoints(evidence) < points; at++)
      evidence.push(this.#evidence[at % this.#evidence.length]!);
    const chosen = evidence.flatMap(each => each.points).slice(0, points);
    return await service.build(period, second, { points: chosen, evidence }, clients);
  }
}

function countPoints(evidence: readonly Evidence[]): number {
  return evidence.reduce((sum, { points }) => sum + points.length, 0);
}

/** What stem and Onionbalance read out of the texts. */
export function readWithPython(taken: readonly Taken[]): Readings[] {
  const requests = taken.map(({ text, service, cookie }) => ({ text, address: service.address, cookie }));
  const input = JSON.stringify(requests);
  const run = spawnSync(PYTHON, [SCRIPT], { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (run.status !== 0) throw new Error(`install python3-stem and onionbalance: ${run.stderr}`);
  return JSON.parse(run.stdout) as Readings[];
}
