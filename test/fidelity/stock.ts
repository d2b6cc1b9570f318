import { EventEmitter, once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes, KpHsId, NetworkProfile, TimePeriod } from '../../src/descriptor/index.ts';
import { deriveKpHsBlindId } from '../../src/descriptor/blinding.ts';
import { encodeBase32, encodeBase64Unpadded } from '../../src/descriptor/bytes.ts';
import { parseSecretKeyFile } from '../../src/descriptor/key-files.ts';
import { parseOnionAddress } from '../../src/descriptor/onion-address.ts';
import { parseDescriptor } from '../../src/descriptor/open.ts';
import { x25519PublicKey } from '../../src/descriptor/primitives.ts';
import { publishablePeriods } from '../../src/descriptor/time.ts';
import type { ExpandedIdentity } from '../../src/pkcs11/blinded-sign.ts';
import type { HsDescEvent } from '../../src/publisher/control/events.ts';
import type { Backend } from '../tor-network/backend.ts';
import type { TorNetwork } from '../tor-network/tor-network.ts';
import type { TorNode } from '../tor-network/tor-node.ts';
import { fetchText } from './fetch-text.ts';

/** An onion service of a stock tor whose key the test has read. */
export interface StockService {
  /** 56 characters. */
  readonly address: string;
  readonly kpHsId: KpHsId;
  readonly identity: ExpandedIdentity;
  /** Private keys of its authorized clients. */
  readonly clients: readonly Bytes[];
  readonly host: TorNode;
}

/** A text that stock tor made, with what is known of its making. */
export interface StockDescriptor {
  readonly service: StockService;
  readonly text: Bytes;
  readonly period: TimePeriod;
  /** Unix seconds at which its tor began to upload descriptors of this period. */
  readonly uploads: readonly number[];
}

/** The services of the network's backends and what their tors say about them. */
export class StockServices {
  readonly network: TorNetwork;
  readonly profile: NetworkProfile;
  readonly services: StockService[] = [];
  readonly #changed = new EventEmitter();
  /** Blinded keys by address. */
  readonly #uploading = new Map<string, Set<string>>();
  /** By blinded key, base64. */
  readonly #uploads = new Map<string, number[]>();

  constructor(network: TorNetwork, profile: NetworkProfile) {
    this.network = network;
    this.profile = profile;
  }

  /** Starts a backend of the network, with this many clients of its own if any, as the service of its key files. */
  async startBackend(backend: Backend, clients: readonly Bytes[] = []): Promise<void> {
    const folder = join(backend.hiddenServiceDirectory, 'authorized_clients');
    if (clients.length > 0) await mkdir(folder, { mode: 0o700 });
    for (const [index, client] of clients.entries()) {
      const line = `descriptor:x25519:${encodeBase32(x25519PublicKey(client)).toUpperCase()}\n`;
      await writeFile(join(folder, `client${index}.auth`), line, { mode: 0o600 });
    }
    const file = await readFile(join(backend.hiddenServiceDirectory, 'hs_ed25519_secret_key'));
    await backend.start();
    backend.control.on('HS_DESC', event => this.#take(event));
    this.#add(backend.address.slice(0, 56), parseSecretKeyFile(file), clients, backend);
  }

  /** Adds `count` services without key files to one tor. */
  async addServices(host: TorNode, count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const { lines } = await host.control.connection.send('ADD_ONION NEW:ED25519-V3 Port=80,127.0.0.1:9');
      const text = lines.map(line => line.text).join('\n');
      const [, address = ''] = /^ServiceID=(\w{56})$/mu.exec(text) ?? [];
      const [, key = ''] = /^PrivateKey=ED25519-V3:(\S+)$/mu.exec(text) ?? [];
      const expanded = Buffer.from(key, 'base64');
      this.#add(address, { scalar: expanded.subarray(0, 32), prfHalf: expanded.subarray(32) }, [], host);
    }
  }

  #add(address: string, identity: ExpandedIdentity, clients: readonly Bytes[], host: TorNode): void {
    this.services.push({ address, kpHsId: parseOnionAddress(address), identity, clients, host });
  }

  #take({ action, address = '', kpHsBlindId = '' }: HsDescEvent): void {
    if (action !== 'UPLOAD') return;
    this.#uploads.set(kpHsBlindId, [...(this.#uploads.get(kpHsBlindId) ?? []), now()]);
    this.#uploading.set(address, (this.#uploading.get(address) ?? new Set()).add(kpHsBlindId));
    this.#changed.emit('upload');
  }

  /** Waits until every service has begun to upload both of its descriptors; `fetched` is patient for their arrival. */
  async uploading(): Promise<void> {
    const lacks = (service: StockService): boolean => (this.#uploading.get(service.address)?.size ?? 0) < 2;
    while (this.services.some(lacks)) await once(this.#changed, 'upload');
  }

  /** The descriptor that a service holds for the older period, encrypted anew by its tor. */
  async current(service: StockService): Promise<StockDescriptor> {
    const key = `hs/service/desc/id/${service.address}`;
    const { [key]: text = '' } = await service.host.control.getInfo([key]);
    return this.#describe(service, text);
  }

  /** The descriptor that clients get from the directories now. */
  async fetched(service: StockService): Promise<StockDescriptor> {
    return this.#describe(service, await fetchText(this.network.client, service.address));
  }

  #describe(service: StockService, latin1: string): StockDescriptor {
    const text = new Uint8Array(Buffer.from(latin1, 'latin1'));
    const { signingKey } = parseDescriptor(text).cert;
    const name = encodeBase64Unpadded(signingKey);
    // tor changes periods when a consensus does, and that comes some seconds late.
    const period = [now(), now() - 2 * this.profile.votingIntervalSeconds]
      .flatMap(second => publishablePeriods(this.profile, second))
      .find(each => encodeBase64Unpadded(deriveKpHsBlindId(service.kpHsId, each)) === name);
    if (period === undefined) throw new Error('the descriptor is of no period that is published now');
    return { service, text, period, uploads: this.#uploads.get(name) ?? [] };
  }
}

const now = (): number => Math.floor(Date.now() / 1000);
