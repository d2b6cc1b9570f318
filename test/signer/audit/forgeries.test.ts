import { describe, expect, test } from 'vitest';
import { formatOnionAddress, type KpHsId, parseKpHsId } from '../../../src/descriptor/index.ts';
import type { AuditSource } from '../../../src/signer/audit/source.ts';
import { type Expectation, verifyAudit } from '../../../src/signer/audit/verify.ts';
import { leafHash, rootOf } from '../../../src/signer/contract/log-proof.ts';
import {
  formatCheckpoint,
  formatNoteVerifier,
  formatSignedNote,
  noteKeyHash,
  type NoteVerifier,
} from '../../../src/signer/contract/signed-note.ts';
import { sha256Hex } from '../../../src/signer/journal/archive.ts';
import { encodeEntry, type Entry } from '../../../src/signer/journal/entries.ts';
import { parsePolicy } from '../../../src/signer/policy/load.ts';
import { encodePolicy } from '../../../src/signer/policy/types.ts';
import { ed25519Pair, forge, identity, NOON } from '../../descriptor/forge.ts';

/** Logs that somebody else might write, entry by entry: texts are pruned, so that keys and order alone decide. */

const ORIGIN = 'log.example/1';
const at = NOON + 3600;
const digest = (letter: string): string => letter.repeat(64);
const owner = ed25519Pair('owner');
const [logKey, thiefKey] = [ed25519Pair('log key'), ed25519Pair('thief key')];
type Pair = typeof owner;

const keyOf = ({ publicKey }: Pair): KpHsId => parseKpHsId(publicKey);
const address = formatOnionAddress(keyOf(owner));
const line = (pair: Pair, name: string, text: string) => ({
  name,
  keyHash: noteKeyHash({ name, publicKey: pair.publicKey }),
  signature: pair.sign(Buffer.from(text)),
});
const note = (text: string, ...signatures: ReturnType<typeof line>[]): string =>
  formatSignedNote({ text, signatures });

function vouched(by: Pair, { name, publicKey }: NoteVerifier): Entry {
  const own = formatOnionAddress(keyOf(by));
  const text = `onion-signer checkpoint key 1\n${own}\n${formatNoteVerifier({ name, publicKey })}\n`;
  return { kind: 'vouched', at, service: 'frontpage', note: note(text, line(by, own, text)) };
}

const policyOf = (...backends: string[]): Uint8Array => {
  const named = backends.map(label => `${label}: ${formatOnionAddress(identity(label).kpHsId)}`);
  const text = `service: frontpage\naddress: ${address}\npublishers: [vps1]\nbackends: { ${named.join(', ')} }\n`;
  const known = { publishers: new Set(['vps1']) };
  return encodePolicy(parsePolicy([{ name: 'frontpage.yaml', text }], known));
};
const [before, after] = [policyOf('b1', 'b2'), policyOf('b2')];
const evidence = forge({ label: 'b1', at }).text;
const kept = new Map([before, after, evidence].map(text => [sha256Hex(text), text]));

const genesis = (origin = ORIGIN): Entry => ({
  kind: 'genesis',
  at,
  version: 1,
  journal: 'b'.repeat(32),
  origin,
});
const started: Entry = { kind: 'started', at, version: 'x', network: 'tor', votingInterval: 3600 };
const policy = (serial: number, text: Uint8Array): Entry => ({
  kind: 'policy',
  at: at + 60 * serial,
  serial,
  digest: sha256Hex(text),
  proposal: null,
  signatures: [],
});
/** A reservation and its release, as entries `index` and the next. */
const signed = (index: number, second: number): Entry[] => [
  {
    kind: 'reserved',
    at: at + second,
    publisher: 'vps1',
    service: 'frontpage',
    request: `request-${String(second).padStart(8, '0')}`,
    digest: digest('a'),
    seconds: [{ kpHsBlindId: digest('c'), variant: 0, second: at + second }],
  },
  {
    kind: 'released',
    at: at + second,
    reserved: index,
    texts: [sha256Hex(Buffer.from(`text ${second}`))],
    evidence: [sha256Hex(evidence)],
  },
];

const logVerifier: NoteVerifier = { name: ORIGIN, publicKey: logKey.publicKey };
const honest = [genesis(), started, policy(1, before), vouched(owner, logVerifier), ...signed(4, 600)];
const head = (entries: readonly Entry[]) => ({
  size: entries.length,
  rootHash: rootOf(entries.map(each => leafHash(encodeEntry(each)))),
});
const checkpoint = (entries: readonly Entry[], change: object = {}): string => {
  const text = formatCheckpoint({ origin: ORIGIN, ...head(entries), ...change });
  return note(text, line(logKey, ORIGIN, text));
};

/** As somebody kept it. */
const held = (text = '') => [{ name: 'note.txt', note: text }];

async function audited(entries: readonly (Entry | Uint8Array)[], expected: Expectation = {}) {
  const source: AuditSource = {
    size: entries.length,
    checkpoints: [],
    // oxlint-disable-next-line typescript/require-await -- as a source gives them
    async *entries() {
      for (const each of entries) yield each instanceof Uint8Array ? each : encodeEntry(each);
    },
    text: name => Promise.resolve(kept.get(name)),
    close: () => undefined,
  };
  return (await verifyAudit(source, expected)).findings.map(({ code, message }) => `${code}: ${message}`);
}
const NOT_VOUCHED = expect.stringMatching(/^NOTE_UNVERIFIED: not vouched for: /) as string;

describe('a log', () => {
  test('holds by its own key, its address and a head from outside', async () => {
    expect(await audited(honest, { address, outside: held(checkpoint(honest)) })).toEqual([]);
  });

  test('in another order is another log', async () => {
    const [first, second, third, fourth, ...rest] = honest;
    const moved = [first, second, fourth, third, ...rest].flatMap(each => each ?? []);
    expect(await audited(moved)).toEqual([]);
    expect(await audited(moved, { outside: held(checkpoint(honest)) })).toEqual([
      expect.stringMatching(/^CHECKPOINT_FORK: .*note\.txt /),
    ]);
  });

  test('with an entry of a kind that nobody knows does not hold', async () => {
    const unknown = Buffer.from(`{"kind":"pruned","at":${at},"from":1,"to":4}`);
    expect(await audited([...honest, unknown])).toEqual([expect.stringMatching(/^JOURNAL_ENTRY: /)]);
  });

  test('whose backend was dropped does not hold with that backend’s evidence, though it was proven once', async () => {
    const dropped = [...honest, policy(2, after), ...signed(7, 1800)];
    expect(await audited(dropped)).toEqual(['AUDIT_TEXT: evidence of a backend that policy did not name']);
    expect(await audited([...honest, policy(2, before), ...signed(7, 1800)])).toEqual([]);
  });
});

describe('a key', () => {
  test('that signs must be vouched for by the address that was served', async () => {
    const without = honest.map(each => (each.kind === 'vouched' ? started : each));
    expect(await audited(without)).toEqual([NOT_VOUCHED]);
    const own = { name: 'thief.example/1', publicKey: thiefKey.publicKey };
    const ofThief = [
      genesis(own.name),
      started,
      policy(1, before),
      vouched(thiefKey, own),
      ...signed(4, 600),
    ];
    expect(await audited(ofThief)).toEqual([NOT_VOUCHED]);
    const stolen = ofThief.map(each => (each.kind === 'vouched' ? vouched(owner, logVerifier) : each));
    expect(await audited(stolen)).toEqual([expect.stringMatching(/^JOURNAL_TORN: /), NOT_VOUCHED]);
  });

  test('of one name is one key', async () => {
    const again = vouched(owner, { name: ORIGIN, publicKey: thiefKey.publicKey });
    expect(await audited([...honest, again])).toEqual(['NOTE_UNVERIFIED: two keys have one name']);
    expect(await audited([...honest, vouched(owner, logVerifier)])).toEqual([]);
  });
});

describe('a head from outside', () => {
  test('of the true root and another size contradicts the log', async () => {
    const [smaller, larger] = [-1, 1].map(by => checkpoint(honest, { size: honest.length + by }));
    expect(await audited(honest, { outside: held(smaller) })).toEqual([
      expect.stringMatching(/^CHECKPOINT_FORK: .*note\.txt /),
    ]);
    expect(await audited(honest, { outside: held(larger) })).toEqual([
      expect.stringMatching(/^CHECKPOINT_AHEAD: .*note\.txt /),
    ]);
  });

  test('proves nothing under another origin, or with a line of its key that does not verify', async () => {
    const text = formatCheckpoint({ origin: ORIGIN, ...head(honest) });
    const own = line(logKey, ORIGIN, text);
    const stranger = line(thiefKey, 'witness.example/1', text);
    expect(await audited(honest, { outside: held(note(text, stranger, own)) })).toEqual([]);
    const forged = { ...own, signature: thiefKey.sign(Buffer.from(text)) };
    for (const bad of [
      note(text, own, forged),
      note(text, stranger),
      checkpoint(honest, { origin: 'other.example/1' }),
    ]) {
      expect(await audited(honest, { outside: held(bad) })).toEqual([
        expect.stringMatching(/^NOTE_UNVERIFIED: note\.txt: /),
      ]);
    }
  });
});
