import { describe, expect, it } from 'vitest';
import {
  formatOnionAddress,
  revisionCounterAt,
  srvRunStart,
  TOR_NETWORK,
} from '../../src/descriptor/index.ts';
import { BlindedKeys } from '../../src/signer/blinded-keys.ts';
import { EvidenceStore } from '../../src/signer/evidence-store.ts';
import { parsePolicy } from '../../src/signer/policy/load.ts';
import type { ServicePolicy } from '../../src/signer/policy/types.ts';
import { forge, identity, noise, NOON, PERIOD } from '../descriptor/forge.ts';
import { failure } from './failure.ts';
import { EMPTY_POLICY } from '../../src/signer/policy/types.ts';

const at = NOON + 3600;
const KEPT = 64;

const address = (label: string): string => formatOnionAddress(identity(label).kpHsId);
const policy = parsePolicy(
  [
    {
      name: 'frontpage.yaml',
      text: [
        'service: frontpage',
        `address: ${address('front')}`,
        'publishers: [vps1]',
        `backends: { b1: ${address('b1')} }`,
        '',
      ].join('\n'),
    },
  ],
  { publishers: new Set(['vps1']) },
);
const service = policy.services[0] ?? expect.unreachable();

/** True descriptors of one backend and hour, each another text. */
const textOf = (number: number): Uint8Array =>
  forge({
    label: 'b1',
    at,
    points: 1,
    counter: revisionCounterAt(noise(`key ${number}`, 32), at - srvRunStart(TOR_NETWORK, PERIOD) + 1),
  }).text;

const proveAll = (store: EvidenceStore, of: ServicePolicy, texts: readonly Uint8Array[]): string[] =>
  texts.map(text => store.prove(of, text, at).evidence.digest);

describe('what the core remembers of evidence', () => {
  it('is bounded for each service, and what was used last stays', () => {
    const store = new EvidenceStore(TOR_NETWORK, new BlindedKeys());
    const texts = Array.from({ length: KEPT + 1 }, (_, i) => textOf(i));
    const digests = proveAll(store, service, texts.slice(0, KEPT));
    expect(store.proven('frontpage').size).toBe(KEPT);
    const [first, second] = digests;
    // Used again: now the second is the oldest.
    proveAll(store, service, texts.slice(0, 1));
    const [newest] = proveAll(store, service, texts.slice(KEPT));
    const known = store.proven('frontpage');
    expect(known.size).toBe(KEPT);
    expect([first, second, newest].map(digest => known.has(digest ?? ''))).toEqual([true, false, true]);
    expect(store.proven('elsewhere').size).toBe(0);
  });

  it('is nothing of a backend that is disabled, or of a service that policy dropped', () => {
    const store = new EvidenceStore(TOR_NETWORK, new BlindedKeys());
    const disabled = { ...service, backends: service.backends.map(each => ({ ...each, enabled: false })) };
    const error = failure(() => store.prove(disabled, textOf(0), at));
    expect(error.code).toBe('EVIDENCE_INVALID');
    expect(store.proven('frontpage').size).toBe(0);
    proveAll(store, service, [textOf(0)]);
    store.retain(policy);
    expect(store.proven('frontpage').size).toBe(1);
    store.retain(EMPTY_POLICY);
    expect(store.proven('frontpage').size).toBe(0);
  });
});
