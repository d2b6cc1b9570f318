// Who can read the descriptors of one service in one period: ephemeral key, descriptor cookie, client lines, fakes and
// their order. They are made together from the period's secret and the set of clients, and they end together, so that
// nothing that recurs tells a client from a fake and nothing that a former client has opens what comes after it.

import {
  AUTH_CLIENT_LENGTH,
  AUTH_CLIENT_MULTIPLE,
  type AuthClientLine,
  type Bytes,
  DESCRIPTOR_COOKIE_LENGTH,
  type KpHscDescEnc,
  type KpHssDescEnc,
  type NHsSubcred,
  deriveClientKeys,
  makeAuthClientLine,
  makeFakeAuthClientLine,
  parseKpHssDescEnc,
  sha256,
} from '../descriptor/index.ts';
import type { ListAccess } from './list-access.ts';
import { Secret, wipeBytes, withScratch, x25519Into, x25519PublicInto } from './locked-memory.ts';

const HMAC_BYTES = 32;
const IV_BYTES = 16;

/** Clients of a service and the serial under which they became this set. */
export type ClientSet = Pick<ListAccess, 'clients' | 'clientsSerial'>;

/** 32 bytes of HMAC-SHA-256 under the period's secret, for one purpose and context. */
export type Derive = (out: Uint8Array, purpose: string, context: Uint8Array) => void;

/** What one set of clients makes of a period. The cookie lies in locked memory until `wipe`. */
export class ClientAccess {
  /** `desc-auth-ephemeral-key`; its private half is forgotten. */
  readonly ephemeralKey: KpHssDescEnc;
  /** Clients and fakes in one order, 16·n of them; the same in every descriptor of period and set, as stock tor's. */
  readonly authClients: readonly AuthClientLine[];
  readonly #name: Uint8Array;
  readonly #cookie: Secret | undefined;

  /** @throws CustodyError CRYPTO for a key whose shared secret is zero */
  constructor(set: ClientSet, subcredential: NHsSubcred, derivePeriod: Derive) {
    this.#name = nameOf(set);
    const derive: DeriveBlock = (out, purpose, block) =>
      derivePeriod(out, `clients ${purpose}`, Buffer.concat([this.#name, u32(block)]));
    this.#cookie = set.clients.length === 0 ? undefined : new Secret(HMAC_BYTES);
    try {
      this.#cookie?.use(cookie => derive(cookie, 'cookie', 0));
      const made = withScratch(HMAC_BYTES, privateKey => {
        derive(privateKey, 'ephemeral-key', 0);
        const publicKey = new Uint8Array(32);
        x25519PublicInto(publicKey, privateKey);
        const lines = this.useCookie(cookie =>
          cookie === undefined
            ? []
            : set.clients.map((client, i) =>
                makeLine(client, { privateKey, subcredential, cookie }, ivOf(derive, i)),
              ),
        );
        return { ephemeralKey: parseKpHssDescEnc(publicKey), lines };
      });
      const fakes = makeFakes(derive, fakesBeside(made.lines.length));
      this.ephemeralKey = made.ephemeralKey;
      this.authClients = shuffle([...made.lines, ...fakes], derive);
    } catch (thrown) {
      this.wipe();
      throw thrown;
    }
  }

  /** Whether this was made for exactly this set. */
  isOf(set: ClientSet): boolean {
    return Buffer.compare(this.#name, nameOf(set)) === 0;
  }

  /** Hands the descriptor cookie (16 bytes), undefined for a service that is not restricted, to `use`; do not keep it. */
  useCookie<T>(use: (cookie: Bytes | undefined) => T): T {
    if (this.#cookie === undefined) return use(undefined);
    return this.#cookie.use(bytes => use(bytes.subarray(0, DESCRIPTOR_COOKIE_LENGTH)));
  }

  /** Forgets the cookie. */
  wipe(): void {
    this.#cookie?.wipe();
  }
}

type DeriveBlock = (out: Uint8Array, purpose: string, block: number) => void;

/** Serial (8 bytes) and SHA-256 of the keys: another set is another one even where a serial was not raised. */
function nameOf({ clients, clientsSerial }: ClientSet): Buffer {
  const serial = Buffer.alloc(8);
  serial.writeBigUInt64BE(BigInt(clientsSerial));
  return Buffer.concat([serial, sha256(Buffer.concat(clients))]);
}

interface LineSecrets {
  readonly privateKey: Uint8Array;
  readonly subcredential: NHsSubcred;
  readonly cookie: Bytes;
}

/** The keys of SHAKE-256 pass through ordinary memory and are overwritten. */
function makeLine(
  client: KpHscDescEnc,
  { privateKey, subcredential, cookie }: LineSecrets,
  iv: Bytes,
): AuthClientLine {
  return withScratch(32, sharedSecret => {
    x25519Into(sharedSecret, privateKey, client);
    const keys = deriveClientKeys(sharedSecret, subcredential);
    try {
      return makeAuthClientLine(keys, iv, cookie);
    } finally {
      wipeBytes(keys.cookieKey);
    }
  });
}

function ivOf(derive: DeriveBlock, place: number): Bytes {
  const block = new Uint8Array(HMAC_BYTES);
  derive(block, 'iv', place);
  return block.subarray(0, IV_BYTES);
}

/** As many as stock tor adds: up to the next multiple of 16, and 16 where there is no client. */
function fakesBeside(clients: number): number {
  const lines = Math.max(1, Math.ceil(clients / AUTH_CLIENT_MULTIPLE)) * AUTH_CLIENT_MULTIPLE;
  return lines - clients;
}

function makeFakes(derive: DeriveBlock, count: number): AuthClientLine[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(2 * HMAC_BYTES);
    derive(bytes.subarray(0, HMAC_BYTES), 'fake', 2 * i);
    derive(bytes.subarray(HMAC_BYTES), 'fake', 2 * i + 1);
    return makeFakeAuthClientLine(bytes.subarray(0, AUTH_CLIENT_LENGTH));
  });
}

/** Sorted by derived tags, which say who is a fake and are therefore not left in memory. */
function shuffle(lines: readonly AuthClientLine[], derive: DeriveBlock): readonly AuthClientLine[] {
  return withScratch(lines.length * HMAC_BYTES, scratch => {
    const tagOf = (i: number): Buffer => scratch.subarray(i * HMAC_BYTES, (i + 1) * HMAC_BYTES);
    for (const i of lines.keys()) derive(tagOf(i), 'order', i);
    const order = [...lines.keys()].sort((a, b) => Buffer.compare(tagOf(a), tagOf(b)));
    return Object.freeze(order.flatMap(i => lines[i] ?? []));
  });
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
