import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SCHEMAS } from '../../../scripts/schema/index.ts';
import type { Schema } from '../../../scripts/schema/words.ts';
import { SIGNER_MAP_KEYS } from '../../../src/publisher/config-signers.ts';
import {
  parseConfig as parsePublisher,
  PROBE_KEYS,
  PUBLISHER_KEYS,
  TOR_KEYS,
} from '../../../src/publisher/config.ts';
import { parseConfig as parseSigner, SIGNER_KEYS } from '../../../src/signer/config.ts';
import { SignerError } from '../../../src/signer/contract/problems.ts';
import { ADMINISTRATORS_FILE, ADMINISTRATORS_KEYS } from '../../../src/signer/policy/administrators.ts';
import { parseAdministrators, parseRetired, type PolicyFile } from '../../../src/signer/policy/load.ts';
import { CAA_KEYS } from '../../../src/signer/policy/read-access.ts';
import { GROUP_KEYS, SERVICE_KEYS } from '../../../src/signer/policy/read-policy-file.ts';
import {
  BACKEND_KEYS,
  LIMIT_KEYS,
  MEMBER_KEYS,
  SHARED_KEYS,
} from '../../../src/signer/policy/read-service.ts';
import { RETIRED_BACKEND_KEYS, RETIRED_FILE, RETIRED_KEYS } from '../../../src/signer/policy/retired.ts';
import { softwareToken } from '../../ssh-keys.ts';
import { BACKENDS, load, MASTER, serviceYaml } from './services.ts';

const POLICIES = join(import.meta.dirname, '../../../policies');
const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictTypes: false, strictRequired: false });
const checks = Object.fromEntries(
  Object.entries(SCHEMAS).map(([name, schema]) => [name, ajv.compile(schema)]),
);

const fits = (name: string, text: string): boolean => checks[name]?.(parse(text)) === true;

function reads(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof SignerError) return false;
    throw error;
  }
}

describe('the schemas', () => {
  it('are those that `npm run schema` writes', () => {
    expect(readdirSync(join(POLICIES, 'schema')).sort()).toEqual(Object.keys(SCHEMAS).sort());
    for (const [name, schema] of Object.entries(SCHEMAS))
      expect(JSON.parse(readFileSync(join(POLICIES, 'schema', name), 'utf8'))).toEqual(schema);
  });

  it('have the keys of the readers, and no others', () => {
    const at = (name: string, ...path: string[]): string[] => {
      const schema = path.reduce<unknown>((node, key) => (node as Schema)[key], SCHEMAS[name]);
      return Object.keys((schema as { properties: Schema }).properties).sort();
    };
    const own = ['else', 'properties'];
    const pairs: [string[], readonly string[]][] = [
      [at('service.json', 'else'), SERVICE_KEYS],
      [at('service.json', 'then'), GROUP_KEYS],
      [at('service.json', 'then', 'properties', 'services', 'additionalProperties'), MEMBER_KEYS],
      [at('service.json', ...own, 'limits'), LIMIT_KEYS],
      [at('service.json', ...own, 'caa', 'items'), CAA_KEYS],
      [at('service.json', ...own, 'backends', 'additionalProperties', 'anyOf', '1'), BACKEND_KEYS],
      [at('defaults.json'), SHARED_KEYS],
      [at('administrators.json'), ADMINISTRATORS_KEYS],
      [at('retired.json'), RETIRED_KEYS],
      [
        at('retired.json', 'properties', 'retired', 'additionalProperties', 'anyOf', '1'),
        RETIRED_BACKEND_KEYS,
      ],
      [at('signer.json'), SIGNER_KEYS],
      [at('publisher.json'), PUBLISHER_KEYS],
      [at('publisher.json', 'properties', 'tor'), TOR_KEYS],
      [at('publisher.json', 'properties', 'probe'), PROBE_KEYS],
      [
        ['1', '2']
          .flatMap(form => at('publisher.json', 'properties', 'signers', 'items', 'anyOf', form))
          .sort(),
        SIGNER_MAP_KEYS,
      ],
    ];
    for (const [schema, reader] of pairs) expect(schema).toEqual([...reader].sort());
  });

  it('take the examples, whose first line names one', () => {
    const names = readdirSync(join(POLICIES, 'examples'));
    expect(names).toContain('wiki-and-shop.yaml');
    for (const name of names) {
      const text = readFileSync(join(POLICIES, 'examples', name), 'utf8');
      const schema = /^# yaml-language-server: \$schema=\.\.\/schema\/(\S+)\n/u.exec(text)?.[1];
      expect([name, schema]).toEqual([name, name === '_defaults.yaml' ? 'defaults.json' : 'service.json']);
      expect([name, fits(String(schema), text)]).toEqual([name, true]);
      expect([name, fits(String(schema), `${text}surprise: 1\n`)]).toEqual([name, false]);
    }
  });
});

const named = (name: string, text: string): PolicyFile => ({ name, text });
const [A, B] = BACKENDS.map(({ address }) => address);
const KEY = 'jpw2s3nfqsrjls53m6rrswny3xwy7t432pr3zco4kvq5qkegc5eq';
const PIN = `sha256/${'A'.repeat(43)}=`;
const group = (lines: string): string =>
  `publishers: [vps1]\nservices:\n  frontpage:\n    address: ${MASTER.address}\n    backends: { a: ${A} }\n${lines}`;

/** Of each sample whether the reader takes it; a third word says why the schema takes more. */
type Sample = readonly [taken: boolean, text: string, laxer?: string];

const SERVICES: readonly Sample[] = [
  [true, serviceYaml()],
  [
    true,
    serviceYaml(
      'limits: { min_backends: 2, points: 3..20, points_per_backend: 10, requests: 60/h, point_sets: 12/h }',
    ),
  ],
  [true, serviceYaml(`clients: { alice: descriptor:x25519:${KEY} }\nenabled: false\n`)],
  [true, serviceYaml(`clients: { alice: ${KEY.toUpperCase()} }`)],
  [true, serviceYaml('caa: [{ flags: 0, tag: issue, value: "ca.example" }]\ncaa_critical: true\n')],
  [true, serviceYaml('single_onion: true').replace(String(A), `{ address: ${A}, enabled: false }`)],
  [true, serviceYaml('', `service: 123\naddress: ${MASTER.address.replace('.onion', '')}\n`)],
  [true, group('')],
  [true, group('limits: { points: 3..9 }\n')],
  [false, 'service: frontpage\n'],
  [false, serviceYaml('enabld: true')],
  [false, serviceYaml('limits: { point: 3..20 }')],
  [false, serviceYaml('limits: { points: 3-20 }')],
  [false, serviceYaml('limits: { points: 0..20 }')],
  [false, serviceYaml('limits: { requests: 60 }')],
  [false, serviceYaml('limits: { requests: 60/d }')],
  [false, serviceYaml('limits: { min_backends: "1" }')],
  [false, serviceYaml('limits: { min_backends: 1.5 }')],
  [false, serviceYaml('limits: { min_backends: 0 }')],
  [false, serviceYaml('limits: { min_backends: 21 }')],
  [false, serviceYaml('enabled: yes')],
  [false, serviceYaml('enabled: "true"')],
  [false, serviceYaml('caa: []')],
  [false, serviceYaml('caa: [{ flags: 1, tag: issue, value: "" }]')],
  [false, serviceYaml('caa: [{ flags: 0, tag: ISSUE, value: "" }]')],
  [false, serviceYaml('clients: {}')],
  [false, serviceYaml('clients: { alice: short }')],
  [false, serviceYaml().replace('[vps1]', 'vps1')],
  [false, serviceYaml().replace('[vps1]', '[vps1, vps1]')],
  [false, serviceYaml('', `service: Front_Page\naddress: ${MASTER.address}\n`)],
  [false, serviceYaml().replace(String(A), `www.${A}`)],
  [false, group('service: frontpage\n')],
  [false, group('').replace('    address', '    adress')],
  [false, `${group('')}address: ${B}\n`],
  [false, serviceYaml('enabled: True'), 'YAML of an editor knows more words for true'],
  [false, serviceYaml('limits: { min_backends: 0x1 }'), 'and more ways to write a number'],
  [false, serviceYaml().replace(String(A), 'a'.repeat(56)), 'a checksum is no pattern'],
  [false, serviceYaml('limits: { points: 9..3 }'), 'nor is an order'],
  [false, serviceYaml('limits: { points: 3..21 }'), 'nor a bound within a text'],
  [false, serviceYaml('limits: { requests: 3601/h }'), 'nor a bound within a text'],
  [false, serviceYaml('limits: { min_backends: 3 }'), 'what only several values show'],
  [false, serviceYaml().replace('publishers: [vps1]\n', ''), 'the defaults may have it'],
  [false, serviceYaml('', `service: 1.5\naddress: ${MASTER.address}\n`), 'a number is taken for any name'],
];

const SIGNER = `tokens: ["pkcs11:token=a"]\npin: file:/pin\npublishers: { vps1: unix }\n`;
const SIGNERS: readonly Sample[] = [
  [true, SIGNER],
  [true, `${SIGNER}network: { name: lab, voting_interval: 10s }\nahead: 10min\nrunway: 20s\ndeadline: 10s\n`],
  [
    true,
    `${SIGNER}network: tor\nkeep: 30d\njournal_quota: 8GiB\ndisk_floor: 64MiB\nkeyholder: unix:/run/k\n`,
  ],
  [true, `${SIGNER}host_key: credential:host\nmetrics: "127.0.0.1:9100"\nlisten: "[2001:db8::1]:8443"\n`],
  [true, `${SIGNER}state: /a\nrun: /b\npolicies: /c\nenvelopes: /d\ntls_key: /e\n`],
  [
    true,
    SIGNER.replace('unix', `"tls:${PIN}"\nlisten: "192.0.2.1:8443"`)
      .replace('{ vps1:', '\n  vps1:')
      .replace(' }', ''),
  ],
  [false, 'pin: tty\n'],
  [false, `${SIGNER}tokn: x\n`],
  [false, SIGNER.replace('file:/pin', '1234')],
  [false, SIGNER.replace('["pkcs11:token=a"]', '"pkcs11:token=a"')],
  [false, SIGNER.replace('vps1: unix', 'VPS: unix')],
  [false, `${SIGNER}ahead: 3\n`],
  [false, `${SIGNER}journal_quota: 8GB\n`],
  [false, `${SIGNER}state: relative\n`],
  [false, `${SIGNER}network: other\n`],
  [false, `${SIGNER}keyholder: tcp:1\n`],
  [false, `${SIGNER}metrics: localhost:1\n`],
  [false, `${SIGNER}state: /a/../b\n`, 'a path may be written in several ways'],
  [false, `${SIGNER}metrics: "192.0.2.1:9100"\n`, 'which addresses are of this host'],
  [false, `${SIGNER}deadline: 1d\n`, 'a bound within a text'],
  [false, SIGNER.replace('token=a', 'token=a?pin-value=1'), 'what a URI hides'],
];

const PUBLISHER = 'signers: ["unix:/s"]\n';
const PUBLISHERS: readonly Sample[] = [
  [true, PUBLISHER],
  [
    true,
    `${PUBLISHER}tor: { control: "127.0.0.1:9051", socks: "unix:/socks", cookie: /c }\nstate: /s\nrecord: /r\n`,
  ],
  [
    true,
    `${PUBLISHER}probe: { enabled: false, port: 80, timeout: 30s, interval: 1min }\nonly: [a]\nmetrics: "127.0.0.1:1"\n`,
  ],
  [
    true,
    `signers: ["https://host:1#${PIN}", { url: "https://host:2", pin: "${PIN}" }, "exec:ssh -T s", { exec: [ssh, "a b"] }]\n`,
  ],
  [false, 'state: /s\n'],
  [false, 'signers: []\n'],
  [false, 'signers: [relative]\n'],
  [false, `${PUBLISHER}probes: {}\n`],
  [false, `${PUBLISHER}probe: { port: 0 }\n`],
  [false, `${PUBLISHER}probe: { timeout: 30 }\n`],
  [false, `${PUBLISHER}tor: { controll: x }\n`],
  [false, `signers: [{ exec: [ssh], url: "https://host:1" }]\n`],
  [false, `signers: [{ url: "https://host:1" }]\n`],
  [false, `${PUBLISHER}tor: { control: nowhere }\n`, 'the form of an endpoint'],
  [false, 'signers: ["https://host:1"]\n', 'the form of a URL'],
  [false, 'signers: ["unix:/s", "unix:/s"]\n', 'each once, after it was read'],
];

// A head without a key.
const SSH = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA';
const anna = softwareToken().line;
const ADMINISTRATORS: readonly Sample[] = [
  [true, `threshold: 1\nadministrators: { anna: "${anna}" }\n`],
  [true, `threshold: 1\nthreshold_loosening: 1\nadministrators: { anna: "${anna}" }\n`],
  [false, `threshold: 1\nadministrators: {}\n`],
  [false, `administrators: { anna: "${anna}" }\n`],
  [false, 'threshold: 1\n'],
  [false, `threshold: 0\nadministrators: { anna: "${anna}" }\n`],
  [false, `threshold: 1\nquorum: 1\nadministrators: { anna: "${anna}" }\n`],
  [false, 'threshold: 1\nadministrators: { anna: "ssh-rsa AAAA" }\n'],
  [false, `threshold: 1\nadministrators: { Anna: "${anna}" }\n`],
  [false, `threshold: 2\nadministrators: { anna: "${anna}" }\n`, 'how many there are is no pattern'],
  [false, `threshold: 1\nadministrators: { anna: "${SSH}" }\n`, 'nor is a point of the curve'],
];

const RETIRED: readonly Sample[] = [
  [true, `retired: { old: ${B} }\n`],
  [true, `retired: { old: { address: ${B}, may_return: true } }\n`],
  [true, 'retired: {}\n'],
  [false, `gone: { old: ${B} }\n`],
  [false, `retired: [${B}]\n`],
  [false, `retired: { old: { address: ${B}, may_come_back: true } }\n`],
  [false, 'retired: { old: { may_return: true } }\n'],
  [false, `retired: { Old: ${B} }\n`],
  [false, `retired: { old: ${B}, older: ${B} }\n`, 'each once, after it was read'],
];

describe.each([
  ['service.json', SERVICES, (text: string) => load(text)],
  [
    'administrators.json',
    ADMINISTRATORS,
    (text: string) => parseAdministrators([named(ADMINISTRATORS_FILE, text)]),
  ],
  ['retired.json', RETIRED, (text: string) => parseRetired([named(RETIRED_FILE, text)])],
  ['signer.json', SIGNERS, (text: string) => parseSigner(text, '/etc/signer.yaml')],
  ['publisher.json', PUBLISHERS, (text: string) => parsePublisher(text)],
] as const)('%s', (name, samples, read) => {
  const rows = samples.map(([taken, text, laxer]) => ({ taken, text, laxer }));
  it.each(rows)('agrees with its reader: $taken, $text', ({ taken, text, laxer }) => {
    expect(reads(() => read(text))).toBe(taken);
    expect(fits(name, text)).toBe(taken || laxer !== undefined);
  });
});
