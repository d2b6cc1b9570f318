import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/publisher/config.ts';
import { CONFIG_TEMPLATE } from '../../src/publisher/template.ts';

const PIN = `sha256/${Buffer.alloc(32, 7).toString('base64')}`;
const SIGNERS = 'signers: ["unix:/run/s.sock"]\n';

describe('publisher.yaml', () => {
  it('needs a signer and nothing else.', () => {
    expect(parseConfig(SIGNERS)).toEqual({
      signers: [{ kind: 'unix', path: '/run/s.sock', name: 'unix:/run/s.sock' }],
      tor: {
        control: { host: '127.0.0.1', port: 9051 },
        socks: { host: '127.0.0.1', port: 9050 },
        cookieFile: undefined,
      },
      state: '/var/lib/onion-publisher',
      record: undefined,
      probe: { enabled: true, port: 80, timeout: 30, interval: 60 },
      only: undefined,
      metrics: undefined,
      textfile: undefined,
    });
  });

  it('reaches a signer by TLS or through a program too.', () => {
    const targets = (text: string) => parseConfig(`signers: [${text}]\nstate: /srv/state\n`).signers;
    const tls = { kind: 'tls', port: 8443, pin: PIN, keyFile: '/srv/state/tls.key' };
    expect(targets(`"https://signer.example:8443#${PIN}", "https://[::1]:8443#${PIN}"`)).toEqual([
      { ...tls, host: 'signer.example', name: 'https://signer.example:8443' },
      { ...tls, host: '::1', name: 'https://[::1]:8443' },
    ]);
    expect(targets(`{ url: "https://192.0.2.1:8443", pin: "${PIN}", key: /k }`)).toEqual([
      { ...tls, host: '192.0.2.1', keyFile: '/k', name: 'https://192.0.2.1:8443' },
    ]);
    expect(targets('"exec:ssh -T  -o User=a signer", { exec: [/usr/bin/ssh, "a b; $c"] }')).toEqual([
      { kind: 'exec', argv: ['ssh', '-T', '-o', 'User=a', 'signer'], name: 'exec:ssh -T -o User=a signer' },
      { kind: 'exec', argv: ['/usr/bin/ssh', 'a b; $c'], name: 'exec:/usr/bin/ssh a b; $c' },
    ]);
  });

  it('may say everything.', () => {
    const config = parseConfig(
      `${SIGNERS}tor:\n  control: unix:/run/tor/control\n  socks: "[::1]:9150"\n  cookie: /run/tor/cookie\n` +
        'state: /srv/state\nrecord: /srv/record\nonly: [frontpage, mail]\n' +
        'probe:\n  enabled: false\n  port: 443\n  timeout: 5s\n  interval: 2min\nmetrics: "127.0.0.1:9101"\n',
    );
    const address = { host: '127.0.0.1', port: 9101 };
    expect([config.metrics, config.textfile]).toEqual([address, undefined]);
    const file = '"textfile:/srv/a b.prom"';
    expect(parseConfig(`${SIGNERS}metrics: ${file}\n`)).toMatchObject({
      metrics: undefined,
      textfile: '/srv/a b.prom',
    });
    expect(parseConfig(`${SIGNERS}metrics: [${file}, "127.0.0.1:9101"]\n`)).toMatchObject({
      metrics: address,
      textfile: '/srv/a b.prom',
    });
    expect(config.tor).toEqual({
      control: { path: '/run/tor/control' },
      socks: { host: '::1', port: 9150 },
      cookieFile: '/run/tor/cookie',
    });
    expect(config.probe).toEqual({ enabled: false, port: 443, timeout: 5, interval: 120 });
    expect([config.state, config.record, config.only]).toEqual([
      '/srv/state',
      '/srv/record',
      ['frontpage', 'mail'],
    ]);
  });

  it('as init writes it can be read, and its comments are the defaults.', () => {
    const uncommented = CONFIG_TEMPLATE.replace(/^# (?=(?:tor|state|probe|only|record):|  )/gmu, '');
    expect(parseConfig(CONFIG_TEMPLATE).state).toBe('/var/lib/onion-publisher');
    const { tor, probe, state } = parseConfig(uncommented.replace(/^  cookie.*\n/mu, ''));
    expect({ tor, probe, state }).toEqual({
      tor: parseConfig(SIGNERS).tor,
      probe: parseConfig(SIGNERS).probe,
      state: parseConfig(SIGNERS).state,
    });
  });

  it.each<readonly [string, string, number]>([
    ['', 'YAML_SYNTAX', 1],
    ['state: /x\n', 'MISSING_KEY', 1],
    [`${SIGNERS}backends: {}\n`, 'UNKNOWN_KEY', 2],
    [`${SIGNERS}password: x\n`, 'UNKNOWN_KEY', 2],
    [`${SIGNERS}${SIGNERS}`, 'DUPLICATE_KEY', 2],
    ['signers: &a ["unix:/run/s.sock"]\n', 'YAML_SUBSET', 1],
    ['signers: !!seq ["unix:/run/s.sock"]\n', 'YAML_SUBSET', 1],
    ['signers: []\n', 'BAD_VALUE', 1],
    ['signers: ["unix:run/s.sock"]\n', 'BAD_VALUE', 1],
    ['signers: ["https://signer"]\n', 'BAD_VALUE', 1],
    [`signers: ["https://signer#${PIN}"]\n`, 'BAD_VALUE', 1],
    [`signers: ["https://signer:8443#${PIN.slice(0, -1)}"]\n`, 'BAD_VALUE', 1],
    [`signers: ["https://signer:8443/x#${PIN}"]\n`, 'BAD_VALUE', 1],
    [`signers: ["https://user@signer:8443#${PIN}"]\n`, 'BAD_VALUE', 1],
    [`signers: ["http://signer:8443#${PIN}"]\n`, 'BAD_VALUE', 1],
    ['signers: [{ url: "https://signer:8443" }]\n', 'MISSING_KEY', 1],
    [`signers: [{ pin: "${PIN}" }]\n`, 'MISSING_KEY', 1],
    [`signers: [{ pin: "${PIN}", ca: x }]\n`, 'UNKNOWN_KEY', 1],
    ['signers: ["exec:"]\n', 'BAD_VALUE', 1],
    ['signers: ["exec: ssh"]\n', 'BAD_VALUE', 1],
    ['signers: ["exec:./ssh"]\n', 'BAD_VALUE', 1],
    ['signers: ["exec:-T"]\n', 'BAD_VALUE', 1],
    ...[
      '$HOME',
      "'a'",
      'a\\\\b',
      '~/x',
      'a;b',
      'a|b',
      'a*',
      '`a`',
      '&',
      '>x',
      '(a)',
      '#a',
      '!a',
      '{a,b}',
    ].map(word => [`signers: ["exec:ssh ${word}"]\n`, 'BAD_VALUE', 1] as const),
    ['signers: [{ exec: [] }]\n', 'BAD_VALUE', 1],
    ['signers: [{ exec: [ssh], url: x }]\n', 'BAD_VALUE', 1],
    ['signers: [{ exec: ["a/b"] }]\n', 'BAD_VALUE', 1],
    ['signers: [{ exec: [ssh, "a\\nb"] }]\n', 'BAD_VALUE', 1],
    ['signers: ["exec:ssh -T a",\n  { exec: [ssh, -T, a] }]\n', 'BAD_VALUE', 1],
    [`signers: ["unix:/${'x'.repeat(107)}"]\n`, 'BAD_VALUE', 1],
    ['signers: ["unix:/a",\n  "unix:/a"]\n', 'BAD_VALUE', 1],
    [`${SIGNERS}tor:\n  control: 9051\n`, 'BAD_VALUE', 3],
    [`${SIGNERS}tor:\n  control: "127.0.0.1:65536"\n`, 'BAD_VALUE', 3],
    [`${SIGNERS}tor:\n  password: x\n`, 'UNKNOWN_KEY', 3],
    [`${SIGNERS}probe:\n  timeout: 30\n`, 'BAD_VALUE', 3],
    [`${SIGNERS}probe:\n  port: 0\n`, 'BAD_VALUE', 3],
    [`${SIGNERS}only: [Front/page]\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: "192.0.2.1:9101"\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: "textfile:relative.prom"\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: "textfile:/srv/numbers.txt"\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: "textfile:/srv/.prom"\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: []\n`, 'BAD_VALUE', 2],
    [`${SIGNERS}metrics: ["127.0.0.1:1",\n  "127.0.0.1:2"]\n`, 'BAD_VALUE', 3],
    [`${SIGNERS}metrics: ["textfile:/a.prom",\n  "textfile:/b.prom"]\n`, 'BAD_VALUE', 3],
  ])('%j is refused as %s in line %i.', (text, code, line) => {
    expect(() => parseConfig(text)).toThrow(expect.objectContaining({ code, line }) as Error);
  });
});
