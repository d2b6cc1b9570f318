import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { formatOnionAddress, parseKpHsId } from '../../../src/descriptor/index.ts';
import { encodeProposal } from '../../../src/signer/policy/approval.ts';
import { ServiceNames } from '../../../src/signer/policy/service-names.ts';
import { load } from './services.ts';

/** The same public key in every run: of the seed that is `byte` 32 times. */
function publicKey(byte: number): Uint8Array {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(12));
}

const addressOf = (byte: number): string => formatOnionAddress(parseKpHsId(publicKey(byte)));
const sshKey = (byte: number): string => {
  const head = Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20', 'latin1');
  return `ssh-ed25519 ${Buffer.concat([head, publicKey(byte)]).toString('base64')}`;
};

const before = load(
  `service: frontpage
address: ${addressOf(1)}
publishers: [vps1]
backends: { torbox-1: ${addressOf(2)}, torbox-2: ${addressOf(3)} }
caa: [ { flags: 0, tag: issue, value: a.example } ]
limits: { points: 3..20, requests: 60/h }
`,
  {
    name: '_administrators.yaml',
    text: `threshold: 1\nthreshold_loosening: 2\nadministrators: { anna: "${sshKey(1)}", ben: "${sshKey(2)}" }\n`,
  },
);

const after = load(
  `service: frontpage
address: ${addressOf(1)}
enabled: false
single_onion: true
publishers: [vps2]
backends: { torbox-2: ${addressOf(4)}, torbox-3: { address: ${addressOf(5)}, enabled: false } }
clients: { alice: 22jvaqqqsjtrgpqzjzvfcwo3m4bw7yhjjutbgo5jvwejlhk6jrna }
caa: [ { flags: 0, tag: issue, value: b.example } ]
caa_critical: true
limits: { points: 4..10, requests: 90/h, min_backends: 2, points_per_backend: 5, point_sets: 3/h }
`,
  `service: backpage
address: ${addressOf(6)}
publishers: [vps1]
backends: { torbox-4: ${addressOf(7)} }
`,
  {
    name: '_administrators.yaml',
    text: `threshold: 1\nadministrators: { anna: "${sshKey(1)}", carl: "${sshKey(3)}" }\n`,
  },
  { name: '_retired.yaml', text: `retired: { torbox-1: ${addressOf(2)} }\n` },
);

it('the words of a proposal are part of its format: audits make them again', () => {
  const signer = { origin: 'onion-signer/01020304', journal: '0'.repeat(32), network: 'tor' };
  const proposal = encodeProposal({ signer, before, names: new ServiceNames(), serial: 7, after });
  const golden = readFileSync(new URL('proposal-1.txt', import.meta.url), 'utf8');
  expect(Buffer.from(proposal).toString('utf8')).toBe(golden);
});
