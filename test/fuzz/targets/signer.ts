// What the core reads: requests from publishers, its journal, and the operator's files.

import { readFileSync } from 'node:fs';
import {
  encodeClientAuthFile,
  formatOnionAddress,
  parseKpHscDescEnc,
  x25519PublicKey,
} from '../../../src/descriptor/index.ts';
import { parseConfig } from '../../../src/signer/config.ts';
import { parseSignRequest } from '../../../src/signer/contract/requests.ts';
import { parseStrictJson } from '../../../src/signer/contract/strict-json.ts';
import { type Entry, encodeEntry, parseEntry } from '../../../src/signer/journal/entries.ts';
import { parsePolicy } from '../../../src/signer/policy/load.ts';
import { parsePolicySnapshot } from '../../../src/signer/policy/snapshot.ts';
import { encodePolicy } from '../../../src/signer/policy/types.ts';
import { parseStrictYaml } from '../../../src/signer/program/strict-yaml.ts';
import { identity, noise } from '../../descriptor/forge.ts';
import { utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes, demandEqual } from '../target.ts';

const signer = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'signer',
  name: `signer/${target.name}`,
});
const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const digest = Buffer.from(noise('digest', 32)).toString('hex');
const address = (label: string): string => formatOnionAddress(identity(label).kpHsId);

const JSON_CODES = ['JSON_ENCODING', 'JSON_SYNTAX', 'JSON_DUPLICATE_KEY', 'JSON_DEPTH', 'JSON_NUMBER'];
const REQUEST = {
  id: 'abcdefghijklmnop',
  service: 'frontpage',
  points: [0, 1].map(index => ({ evidence: digest, index })),
  evidence: ['hs-descriptor 3\ndescriptor-lifetime 180\n"\u00e9\u{1f9c5}\\'],
  checkpoint: 'a\n7\n',
};

const json: readonly Target[] = [
  signer({
    name: 'json',
    codes: JSON_CODES,
    shapes: ['tokens', 'tokens', 'bytes'],
    seeds: () => [JSON.stringify(REQUEST), '[1,-0.5e-3,true,null,"\\ud83e\\uddc5\\n"]', ' {} '].map(utf8),
    run: input => {
      const value = parseStrictJson(input);
      demandEqual(plain(value), JSON.parse(text(input)), 'strict JSON is JSON');
    },
  }),
  signer({
    name: 'request',
    codes: [...JSON_CODES, 'REQUEST_SCHEMA', 'BODY_TOO_LARGE'],
    shapes: ['tokens', 'tokens', 'bytes'],
    seeds: () => [utf8(JSON.stringify(REQUEST))],
    run: input => {
      const request = parseSignRequest(input);
      demandEqual(
        parseSignRequest(utf8(JSON.stringify(request))),
        request,
        'a request is read as it is written',
      );
    },
  }),
  signer({
    name: 'journal-entry',
    codes: ['JOURNAL_ENTRY'],
    shapes: ['tokens', 'bytes'],
    seeds: () => {
      const entries: Entry[] = [
        { kind: 'genesis', at: 1, version: 1, journal: digest.slice(32), origin: 'signer/log' },
        { kind: 'policy', at: 2, serial: 3, digest, proposal: null, signatures: [] },
        {
          kind: 'refused',
          at: 2,
          until: 3,
          publisher: 'vps1',
          service: '',
          rule: 'HORIZON',
          count: 1,
          observed: 'x',
          limit: '',
        },
        { kind: 'released', at: 5, reserved: 1, texts: [digest], evidence: [] },
        {
          kind: 'reserved',
          at: 4,
          publisher: 'vps1',
          service: 'frontpage',
          request: 'abcdefghijklmnop',
          digest,
          seconds: [{ kpHsBlindId: digest, variant: 0, second: 9 }],
        },
      ];
      return entries.map(encodeEntry);
    },
    run: input => demandBytes(encodeEntry(parseEntry(input)), input, 'an entry has one encoding'),
  }),
  signer({
    name: 'policy-snapshot',
    codes: ['POLICY_SNAPSHOT'],
    shapes: ['tokens', 'bytes'],
    seeds: () => [encodePolicy(policyOf(POLICY))],
    run: input => demandBytes(encodePolicy(parsePolicySnapshot(input)), input, 'a snapshot has one encoding'),
  }),
];

/** Objects with the prototype that JSON.parse gives them. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const out = {};
  for (const [key, member] of Object.entries(value)) {
    // Not by assignment: `__proto__` is a key like others.
    Object.defineProperty(out, key, {
      value: plain(member),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return out;
}

const client = (label: string): string =>
  encodeClientAuthFile(parseKpHscDescEnc(x25519PublicKey(noise(label, 32)))).trimEnd();
const POLICY = `service: frontpage\naddress: ${address('fuzz front')}\npublishers: [vps1]\nbackends:\n  torbox-1: ${address('fuzz one')}\n  torbox-2: { address: ${address('fuzz two')}, enabled: false }\nlimits: { points: 3..20, requests: 60/h }\nclients: { alice: ${client('fuzz alice')}, bob: ${client('fuzz bob').slice(18)} }\ncaa: [{ flags: 128, tag: issue, value: "ca.example; account=1" }]\ncaa_critical: true\n`;
const CONFIG = `tokens: [ "pkcs11:token=press-a?module-name=softhsm2" ]\npin: tty\npublishers: { vps1: unix, vps2: "unix:/run/x.sock" }\nahead: 20min\nnetwork: { name: chutney, voting_interval: 10s }\nkeyholder: unix:/run/k.sock\nhost_key: credential:host\njournal_quota: 1GiB\n`;
const YAML_CODES = ['YAML_SYNTAX', 'YAML_SUBSET', 'DUPLICATE_KEY'];
const VALUE_CODES = [...YAML_CODES, 'UNKNOWN_KEY', 'MISSING_KEY', 'BAD_VALUE'];

function policyOf(...texts: string[]) {
  const files = texts.map((each, i) => ({ name: `p${i}.yaml`, text: each }));
  return parsePolicy(files, { publishers: new Set(['vps1', 'vps2']) });
}

const example = (name: string): string =>
  readFileSync(new URL(`../../../policies/examples/${name}`, import.meta.url), 'utf8');

const yaml: readonly Target[] = [
  signer({
    name: 'yaml',
    codes: YAML_CODES,
    shapes: ['tokens', 'tokens', 'lines', 'bytes'],
    cost: 10,
    seeds: () =>
      [POLICY, CONFIG, example('_defaults.yaml'), 'a: "b\\n\\u00e9"\nc: |\n  x\n  y\nd: [e, {f: g}]\n'].map(
        utf8,
      ),
    run: input => {
      const { entries, keys } = parseStrictYaml(text(input), 'fuzz.yaml');
      demandEqual([...keys.keys()], [...entries.keys()], 'each key has its place');
    },
  }),
  signer({
    name: 'policy',
    codes: [
      ...VALUE_CODES,
      'POLICY_EMPTY',
      'POLICY_DUPLICATE',
      'POLICY_PUBLISHER',
      'BACKEND-NOT-OURS',
      'BACKEND-EXCLUSIVE',
      'CLIENT-KEY',
    ],
    shapes: ['tokens', 'tokens', 'lines', 'bytes'],
    cost: 10,
    seeds: () => [utf8(POLICY)],
    run: input => {
      const policy = policyOf(text(input));
      const kept = encodePolicy(policy);
      demandBytes(encodePolicy(parsePolicySnapshot(kept)), kept, 'a policy is read as it is kept');
    },
  }),
  signer({
    name: 'config',
    codes: [...VALUE_CODES, 'PIN_LITERAL'],
    shapes: ['tokens', 'tokens', 'lines', 'bytes'],
    cost: 10,
    seeds: () => [utf8(CONFIG)],
    run: input => {
      const { settings } = parseConfig(text(input), '/etc/onion-signer/signer.yaml');
      const shown = [...settings.values()].map(({ value, from }) => value + from).join('');
      demand(!/[\p{Cc}\p{Cf}]/u.test(shown), 'settings are shown as printable text');
    },
  }),
];

export const SIGNER: readonly Target[] = [...json, ...yaml];
