import { generateKeyPairSync } from 'node:crypto';
import { formatOnionAddress, parseKpHsId, type KpHsId } from '../../../src/descriptor/index.ts';
import { parsePolicy, type PolicyFile } from '../../../src/signer/policy/load.ts';
import type { Policy, ServicePolicy } from '../../../src/signer/policy/types.ts';

/** A fresh identity and its address. */
export function newService(): { kpHsId: KpHsId; address: string } {
  const { publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
  const kpHsId = parseKpHsId(new Uint8Array(raw));
  return { kpHsId, address: formatOnionAddress(kpHsId) };
}

export const MASTER = newService();
export const BACKENDS = Array.from({ length: 6 }, newService);

/** The file of a service with two backends; `lines` are added at the end. */
export function serviceYaml(lines = '', head = `service: frontpage\naddress: ${MASTER.address}\n`): string {
  const [first, second] = BACKENDS;
  const backends = `backends: { torbox-1: ${first?.address}, torbox-2: ${second?.address} }\n`;
  return `${head}publishers: [vps1]\n${backends}${lines}`;
}

export const PUBLISHERS = new Set(['vps1', 'vps2']);

/** Loads texts as policy files; the first is frontpage.yaml unless it has a name. */
export function load(...files: (string | PolicyFile)[]): Policy {
  const named = files.map((file, i) =>
    typeof file === 'string' ? { name: `policy-${i}.yaml`, text: file } : file,
  );
  return parsePolicy(named, { publishers: PUBLISHERS });
}

/** Loads one file and gives its only service. */
export function loadOne(...files: (string | PolicyFile)[]): ServicePolicy {
  const { services } = load(...files);
  const [service] = services;
  if (service === undefined || services.length !== 1) throw new Error('expected one service');
  return service;
}
