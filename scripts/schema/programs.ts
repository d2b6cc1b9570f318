import type { SIGNER_MAP_KEYS } from '../../src/publisher/config-signers.ts';
import type { PROBE_KEYS, PUBLISHER_KEYS, TOR_KEYS } from '../../src/publisher/config.ts';
import type { SIGNER_KEYS } from '../../src/signer/config.ts';
import {
  absolutePath,
  duration,
  file,
  flag,
  list,
  listen,
  map,
  name,
  named,
  type Schema,
  size,
  text,
  whole,
  word,
} from './words.ts';

type Keys<List extends readonly string[]> = Readonly<Record<List[number], Schema>>;

const SOURCE = '^(?:file:/[ -~]*|credential:[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}';
/** Neither control nor format characters, as far as a pattern of every editor can say so. */
const PLAIN = '^[^\\u0000-\\u001f\\u007f-\\u009f]+$';

const signer: Keys<typeof SIGNER_KEYS> = {
  tokens: list(text('^pkcs11:[!-~]{1,1000}$'), 8),
  pin: text(`${SOURCE}|tty)$`, 'where the PIN is, never the PIN'),
  publishers: named(text('^(?:unix|unix:/[ -~]*|tls:sha256/[A-Za-z0-9+/]{43}=)$'), 64),
  listen: listen('where publishers with tls: come in'),
  tls_key: absolutePath("the signer's own TLS key; default tls.key below state"),
  metrics: listen('numbers for this host alone'),
  state: absolutePath('default /var/lib/onion-signer'),
  run: absolutePath('default /run/onion-signer'),
  policies: absolutePath('default policies beside this file'),
  envelopes: absolutePath('default identities below state'),
  network: {
    anyOf: [
      { const: 'tor' },
      map({ name: name(), voting_interval: duration('10s to 1h') }, ['name', 'voting_interval']),
    ],
  },
  ahead: duration('how far keys are certified ahead; default 3d'),
  runway: duration('how long the shelf lasts; default 6h'),
  deadline: duration('1s to 60s; default 10s'),
  period_keys: text('^(?:keyholder|token)$', 'where signing keys of periods are made; default keyholder'),
  locked_memory: text(
    '^(?:required|swap-accepted)$',
    'whether secrets may reach swap where no memory can be locked; default required',
  ),
  keep: duration('how long texts are kept; default 30d'),
  journal_quota: size('default 8GiB'),
  disk_floor: size('default 64MiB'),
  keyholder: text('^(?:child|unix:/[ -~]*)$', 'default child'),
  keyholder_list: absolutePath(
    'the list of the keyholder; outside of state: a keyholder of a user of its own',
  ),
  host_key: text(`${SOURCE})$`),
};

const signerMap: Keys<typeof SIGNER_MAP_KEYS> = {
  url: text('^https://'),
  pin: text('^sha256/[A-Za-z0-9+/]{43}=$'),
  key: word(PLAIN),
  exec: list(word(PLAIN), 64),
};
const { exec, ...https } = signerMap;

const tor: Keys<typeof TOR_KEYS> = {
  control: word(PLAIN, '"HOST:PORT" or "unix:/path"; default 127.0.0.1:9051'),
  socks: word(PLAIN, '"HOST:PORT" or "unix:/path"; default 127.0.0.1:9050'),
  cookie: word(PLAIN, 'the file of the control port’s cookie'),
};

const probe: Keys<typeof PROBE_KEYS> = {
  enabled: flag('default true'),
  port: whole(1, 65_535, 'default 80'),
  timeout: duration('1s to 5min; default 30s'),
  interval: duration('1s to 1d; default 1min'),
};

const publisher: Keys<typeof PUBLISHER_KEYS> = {
  signers: list(
    { anyOf: [text('^(?:unix:/|https://|exec:).+$'), map(https, ['url', 'pin']), map({ exec }, ['exec'])] },
    16,
  ),
  tor: map(tor),
  state: word(PLAIN, 'default /var/lib/onion-publisher'),
  record: word(PLAIN, 'a folder that keeps every uploaded text'),
  probe: map(probe),
  only: list(name(), 1_000),
  metrics: listen('numbers for this host alone'),
};

export const signerSchema = file('signer.yaml of onion-signer', map(signer, ['tokens', 'pin', 'publishers']));
export const publisherSchema = file('publisher.yaml of onion-publisher', map(publisher, ['signers']));
