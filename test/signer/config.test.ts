import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TOR_NETWORK, testNetwork } from '../../src/descriptor/index.ts';
import { isOwnUsers, journalPath, loadConfig, parseConfig } from '../../src/signer/config.ts';
import { failure } from './failure.ts';

const FILE = '/etc/onion-signer/signer.yaml';
const LEAST =
  'tokens: [ "pkcs11:token=press-a?module-name=softhsm2" ]\npin: tty\npublishers: { vps1: unix }\n';
const parse = (lines = '', least = LEAST) => parseConfig(least + lines, FILE);
const refuses = (lines: string, least?: string) => failure(() => parse(lines, least));
const TEST_NETWORK = 'network: { name: chutney, voting_interval: 10s }\n';

describe('signer.yaml', () => {
  it('needs tokens, pin and publishers; the rest has defaults', () => {
    const config = parse();
    expect(config).toMatchObject({
      tokens: ['pkcs11:token=press-a?module-name=softhsm2'],
      pin: 'tty',
      state: '/var/lib/onion-signer',
      run: '/run/onion-signer',
      policies: '/etc/onion-signer/policies',
      envelopes: '/var/lib/onion-signer/identities',
      profile: TOR_NETWORK,
      aheadSeconds: 3 * 86_400,
      runwaySeconds: 6 * 3600,
      deadlineMs: 10_000,
      keepSeconds: 30 * 86_400,
      journalQuotaBytes: 8 * 2 ** 30,
      keyholder: { kind: 'child' },
      hostKey: 'file:/var/lib/onion-signer/host.key',
    });
    expect([...config.publishers]).toEqual([['vps1', { kind: 'unix', path: '/run/onion-signer/vps1.sock' }]]);
    expect(Object.isFrozen(config) && Object.isFrozen(config.tokens)).toBe(true);
    expect(journalPath(config)).toBe('/var/lib/onion-signer/journal.sqlite');
    expect(config.keyholderList).toBe('/var/lib/onion-signer/keyholder.list');
    for (const key of ['tokens', 'pin', 'publishers']) {
      const least = LEAST.split('\n')
        .filter(line => !line.startsWith(key))
        .join('\n');
      expect(refuses('', least).code).toBe('MISSING_KEY');
    }
  });

  it('says of every value where it came from', () => {
    const { settings } = parse('run: /tmp/run\nahead: 2d\n');
    expect(settings.get('run')).toEqual({ value: '/tmp/run', from: `${FILE}:4` });
    expect(settings.get('ahead')).toEqual({ value: '2d', from: `${FILE}:5` });
    expect(settings.get('runway')).toEqual({ value: '6h', from: 'default' });
    expect(settings.get('publishers')).toEqual({ value: 'vps1=unix:/tmp/run/vps1.sock', from: `${FILE}:3` });
    expect([...settings.keys()].sort()).toEqual(
      ['ahead', 'deadline', 'disk_floor', 'envelopes', 'host_key', 'keyholder', 'network', 'pin', 'policies']
        .concat(['publishers', 'run', 'runway', 'state', 'tokens', 'keep', 'journal_quota'])
        .concat(['listen', 'tls_key', 'metrics', 'period_keys', 'locked_memory', 'keyholder_list'])
        .sort(),
    );
  });

  it('derives its paths from state and run', () => {
    const config = parse('state: /srv/s\nrun: /srv/r\n');
    expect(config).toMatchObject({ envelopes: '/srv/s/identities', hostKey: 'file:/srv/s/host.key' });
    expect(config.publishers.get('vps1')).toEqual({ kind: 'unix', path: '/srv/r/vps1.sock' });
    expect(parse('envelopes: /e\npolicies: /p\n')).toMatchObject({ envelopes: '/e', policies: '/p' });
  });

  it.each(['state: relative', 'run: /a/../b', 'policies: /a//b', 'envelopes: "/a\\nb"', 'state: [/a]'])(
    'refuses %s',
    line => {
      expect(parse('state: /a\n').state).toBe('/a');
      expect(refuses(`${line}\n`)).toMatchObject({ code: 'BAD_VALUE', line: 4 });
    },
  );

  it('keeps period keys in the keyholder unless told otherwise, in a token only with a PIN that can be read again', () => {
    const filed = LEAST.replace('tty', 'credential:pin');
    expect([parse('').periodKeys, parse('period_keys: keyholder\n').periodKeys]).toEqual([
      'keyholder',
      'keyholder',
    ]);
    expect(parse('period_keys: token\n', filed).periodKeys).toBe('token');
    expect(refuses('period_keys: token\n')).toMatchObject({ code: 'BAD_VALUE', line: 4 });
    for (const place of ['Token', 'card', '"token "', '[token]'])
      expect(refuses(`period_keys: ${place}\n`, filed).code).toBe('BAD_VALUE');
  });

  it('asks for locked memory unless swap is accepted in words', () => {
    expect([parse('').isSwapAccepted, parse('locked_memory: required\n').isSwapAccepted]).toEqual([
      false,
      false,
    ]);
    expect(parse('locked_memory: swap-accepted\n').isSwapAccepted).toBe(true);
    for (const word of ['no', 'false', 'optional', 'Swap-accepted', '"swap-accepted "', '[required]'])
      expect(refuses(`locked_memory: ${word}\n`)).toMatchObject({ code: 'BAD_VALUE', line: 4 });
  });

  it('takes no PIN: a literal is an error that does not repeat it', () => {
    for (const pin of ['tty', 'file:/run/keys/pin', 'credential:pin']) {
      expect(parse('', LEAST.replace('tty', pin)).pin).toBe(pin);
    }
    for (const pin of ['482910', '"tty "', 'env:PIN', 'stdin', 'TTY', 'pin-482910']) {
      const error = refuses('', LEAST.replace('tty', pin));
      expect(error).toMatchObject({ code: 'PIN_LITERAL', line: 2, column: 6 });
      expect(error.message).not.toContain('482910');
    }
    for (const pin of ['file:relative', '"file:"', '"credential:"', 'credential:../x', 'credential:a/b']) {
      expect(refuses('', LEAST.replace('tty', pin)).code).toBe('BAD_VALUE');
    }
  });

  it('takes no PIN in a token URI, however it is written', () => {
    for (const query of [
      'pin-value=482910',
      'pin-source=file:/x',
      'PIN-VALUE=482910',
      'pin%2dvalue=482910',
    ]) {
      const error = refuses('', LEAST.replace('module-name=softhsm2', query));
      expect(error.code).toBe('PIN_LITERAL');
      expect(error.message).not.toContain('482910');
    }
    for (const uri of ['"press-a"', '"pkcs11:"', '"pkcs11:token=a b"', '"http://x"']) {
      expect(refuses('', LEAST.replace(/"[^"]+"/, uri)).code).toBe('BAD_VALUE');
    }
    expect(refuses('', LEAST.replace(/\[[^\]]+\]/, '"pkcs11:token=a"')).code).toBe('BAD_VALUE');
  });

  it('gives each publisher a socket of its own', () => {
    const publishers = (text: string) => LEAST.replace('{ vps1: unix }', text);
    const config = parse('', publishers('{ vps1: unix, vps2: "unix:/srv/b.sock" }'));
    expect([...config.publishers.values()]).toEqual([
      { kind: 'unix', path: '/run/onion-signer/vps1.sock' },
      { kind: 'unix', path: '/srv/b.sock' },
    ]);
    const longest = `/${'a'.repeat(106)}`;
    const { publishers: one } = parse('', publishers(`{ vps1: "unix:${longest}" }`));
    expect(one.get('vps1')).toEqual({ kind: 'unix', path: longest });
    for (const text of [
      '{ vps1: unix, vps2: "unix:/run/onion-signer/vps1.sock" }',
      `{ vps1: "unix:${longest}a" }`,
      '{ vps1: "unix:relative" }',
      '{ vps1: "tls:sha256/abc" }',
      '{ Vps1: unix }',
      '{}',
      '[vps1]',
    ]) {
      expect(refuses('', publishers(text)).code).toBe('BAD_VALUE');
    }
  });

  it('knows a publisher by the pin of its key, and then listens', () => {
    const pin = `sha256/${Buffer.alloc(32, 7).toString('base64')}`;
    const publishers = (text: string) => LEAST.replace('{ vps1: unix }', text);
    const one = publishers(`{ vps1: unix, vps2: "tls:${pin}" }`);
    const config = parse('listen: "[2001:db8::1]:8443"\n', one);
    expect(config.publishers.get('vps2')).toEqual({ kind: 'tls', pin });
    expect(config.listen).toEqual({ host: '2001:db8::1', port: 8443 });
    expect(config.tlsKey).toBe('/var/lib/onion-signer/tls.key');
    expect(config.settings.get('listen')).toEqual({ value: '[2001:db8::1]:8443', from: `${FILE}:4` });
    expect(parse('listen: "192.0.2.1:1"\ntls_key: /k\n').tlsKey).toBe('/k');
    expect(refuses('', one).code).toBe('MISSING_KEY');
    for (const text of [
      `{ a: "tls:${pin}", b: "tls:${pin}" }`,
      `{ a: "tls:${pin.slice(0, -1)}" }`,
      // The same 32 bytes in another spelling.
      `{ a: "tls:${pin.slice(0, -2)}d=" }`,
      `{ a: "tls:${pin.replace('sha256', 'sha512')}" }`,
      `{ a: "${pin}" }`,
    ]) {
      expect(refuses('listen: "127.0.0.1:1"\n', publishers(text)).code).toBe('BAD_VALUE');
    }
  });

  it('listens on addresses, and shows numbers on one of this host alone', () => {
    for (const address of [
      'signer.example:1',
      '127.0.0.1:0',
      '127.0.0.1:65536',
      '::1:80',
      '256.0.0.1:1',
      '8443',
    ])
      expect(refuses(`listen: "${address}"\n`).code).toBe('BAD_VALUE');
    expect(parse('metrics: "127.0.0.1:9100"\n').metrics).toEqual({ host: '127.0.0.1', port: 9100 });
    expect(parse('metrics: "[::1]:9100"\n').metrics).toEqual({ host: '::1', port: 9100 });
    expect(parse().metrics).toBeUndefined();
    for (const address of ['0.0.0.0:9100', '[::]:9100', '192.0.2.1:9100'])
      expect(refuses(`metrics: "${address}"\n`).code).toBe('BAD_VALUE');
  });

  it('counts the spans of a test network in its own intervals', () => {
    const config = parse(TEST_NETWORK);
    expect(config.profile).toEqual(testNetwork('chutney', 10));
    expect(config).toMatchObject({ aheadSeconds: 4 * 240, runwaySeconds: 60 });
    expect(parse('network: tor\n').profile).toBe(TOR_NETWORK);
    for (const network of [
      'main',
      '{ name: chutney }',
      '{ voting_interval: 10s }',
      '{ name: tor, voting_interval: 10s }',
      '{ name: chutney, voting_interval: 5s }',
      '{ name: chutney, voting_interval: 12s }',
      '{ name: chutney, voting_interval: 2h }',
      '{ name: chutney, voting_interval: 10 }',
      '{ name: chutney, voting_interval: 10s, period: 4min }',
    ]) {
      expect(['BAD_VALUE', 'MISSING_KEY', 'UNKNOWN_KEY']).toContain(refuses(`network: ${network}\n`).code);
    }
  });

  it.each([
    ['ahead', ['1d', '24h', '7d'], ['23h', '8d', '3', '1w', '-1d']],
    ['runway', ['1s', '12h', '720min'], ['0s', '13h', '6']],
    ['deadline', ['1s', '60s', '1min'], ['0s', '61s', '500ms']],
    ['keep', ['1d', '24h', '4000d'], ['23h', '4001d', '30']],
    [
      'journal_quota',
      ['16MiB', '16384KiB', '1TiB'],
      ['15MiB', '2TiB', '8', '8GB', '1.5GiB', '08GiB', '-1GiB'],
    ],
  ])('bounds %s on both sides', (key, good, bad) => {
    for (const value of good) expect(parse(`${key}: ${value}\n`).settings.get(key)?.from).toBe(`${FILE}:4`);
    for (const value of bad) {
      expect(refuses(`${key}: ${value}\n`)).toMatchObject({
        code: 'BAD_VALUE',
        line: 4,
        column: key.length + 3,
      });
    }
  });

  it('shows a size in the largest unit that fits', () => {
    const shown = (size: string) => parse(`journal_quota: ${size}\n`).settings.get('journal_quota')?.value;
    expect(shown('8GiB')).toBe('8GiB');
    expect(shown('1536MiB')).toBe('1.5GiB');
    expect(parse('journal_quota: 1536MiB\n').journalQuotaBytes).toBe(1536 * 2 ** 20);
  });

  it('has the list of a keyholder with a user of its own outside of its state', () => {
    const door = 'keyholder: unix:/run/k.sock\n';
    const list = 'keyholder_list: /etc/onion-signer/keyholder.list\n';
    expect(parse(door + list).keyholderList).toBe('/etc/onion-signer/keyholder.list');
    expect([door + list, door, list, ''].map(text => isOwnUsers(parse(text)))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(refuses('keyholder_list: keyholder.list\n').code).toBe('BAD_VALUE');
  });

  it('reaches the keyholder as a child or by a socket', () => {
    expect(parse('keyholder: unix:/run/k.sock\n').keyholder).toEqual({ kind: 'unix', path: '/run/k.sock' });
    expect(parse('keyholder: child\n').keyholder).toEqual({ kind: 'child' });
    for (const door of ['unix', 'unix:k', 'tcp:1', '""'])
      expect(refuses(`keyholder: ${door}\n`).code).toBe('BAD_VALUE');
  });

  it('names the source of the host key', () => {
    expect(parse('host_key: credential:host\n').hostKey).toBe('credential:host');
    for (const source of ['tty', 'secret', 'file:x'])
      expect(refuses(`host_key: ${source}\n`).code).toBe('BAD_VALUE');
  });

  it('knows no other key', () => {
    const error = refuses('publisher: { a: unix }\n');
    expect(error).toMatchObject({ code: 'UNKNOWN_KEY', line: 4, column: 1 });
    expect(error.message).toContain('write `publishers`');
  });

  it('is a regular file that nobody else can write', () => {
    const directory = mkdtempSync(join(tmpdir(), 'config-'));
    const path = join(directory, 'signer.yaml');
    expect(failure(() => loadConfig(path)).code).toBe('FILE_UNREADABLE');
    writeFileSync(path, LEAST);
    expect(loadConfig(path).policies).toBe(join(directory, 'policies'));
    chmodSync(path, 0o666);
    expect(failure(() => loadConfig(path)).code).toBe('FILE_MODE');
    chmodSync(path, 0o644);
    symlinkSync(path, join(directory, 'link.yaml'));
    expect(failure(() => loadConfig(join(directory, 'link.yaml'))).code).toBe('FILE_UNREADABLE');
    rmSync(directory, { recursive: true });
  });
});
