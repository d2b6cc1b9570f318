import { setTimeout as sleep } from 'node:timers/promises';
import type { Bytes, KpHsId, TimePeriod } from '../../src/descriptor/index.ts';
import { formatOnionAddress } from '../../src/descriptor/onion-address.ts';
import { ControlError } from '../../src/publisher/control/error.ts';
import {
  type NetworkView,
  fetchRing,
  readNetworkView,
  readValidAfter,
} from '../../src/publisher/network-view.ts';
import type { TorNode } from '../tor-network/tor-node.ts';
import { FetchRefused, fetchText } from './fetch-text.ts';
import type { StockServices } from './stock.ts';

const PATIENCE_MS = 15_000;

/** Stock tor did not store a descriptor: its own reading refused it, or a directory did. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';
  readonly reason: string;

  constructor(reason: string) {
    super(`tor stored no descriptor: ${reason}`);
    this.reason = reason;
  }
}

/**
 * Has a text stored where clients look now and fetches it with a client of stock tor, which decodes it. `build` is
 * asked again when the period ended on the way. Throws UploadRefused, FetchRefused.
 */
export async function publishAndFetch(
  { network, profile }: StockServices,
  kpHsId: KpHsId,
  build: (period: TimePeriod, second: number) => Bytes | Promise<Bytes>,
): Promise<{ readonly made: Bytes; readonly text: string; readonly period: TimePeriod }> {
  const address = formatOnionAddress(kpHsId).slice(0, 56);
  for (let left = 4; ; left--) {
    const { period, hsdirs } = fetchRing(await currentView(network.publisher), profile, kpHsId);
    const made = await build(period, Math.floor(Date.now() / 1000));
    await upload(network.publisher, address, latin1(made), hsdirs);
    try {
      return { made, text: await fetchText(network.client, address, hsdirs), period };
    } catch (error) {
      const isLate = error instanceof FetchRefused && error.reason === 'NOT_FOUND';
      if (!isLate || left === 1) throw error;
      await sleep(1000); // a later second has a higher counter
    }
  }
}

const views = new WeakMap<TorNode, NetworkView>();

async function currentView(tor: TorNode): Promise<NetworkView> {
  const known = views.get(tor);
  if (known?.validAfter === (await readValidAfter(tor.control))) return known;
  const view = await readNetworkView(tor.control);
  views.set(tor, view);
  return view;
}

/** Resolves when a directory has stored it; tor itself has answered 250 before. */
async function upload(
  tor: TorNode,
  address: string,
  text: string,
  servers: readonly string[],
): Promise<void> {
  for (let left = 3; ; left--) {
    const ended = tor.control.waitFor(
      'HS_DESC',
      event => event.address === address && (event.action === 'UPLOADED' || event.action === 'FAILED'),
      { timeoutMs: PATIENCE_MS },
    );
    try {
      await tor.control.hsPost(text, servers, address);
      const { action, reason } = await ended;
      if (action === 'UPLOADED') return;
      throw new UploadRefused(reason ?? 'UNKNOWN');
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      if (error.code === 'CONTROL_REPLY') throw new UploadRefused(String(error.replyStatus));
      if (error.code !== 'CONTROL_TIMEOUT' || left === 1) throw error;
    }
  }
}

/** Bytes as the control port has them: one character each. */
export function latin1(bytes: Bytes): string {
  return Buffer.from(bytes).toString('latin1');
}
