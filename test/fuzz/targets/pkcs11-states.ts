// Files that the keyholder keeps: sealed state and marks.

import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hkdfSha256Into } from '../../../src/pkcs11/hkdf.ts';
import { Secret, xchachaSeal } from '../../../src/pkcs11/locked-memory.ts';
import { MarkLog } from '../../../src/pkcs11/mark-log.ts';
import { RECORD_BYTES, encodeMark, isIntact, parseMark } from '../../../src/pkcs11/mark-records.ts';
import { openState, sealState, wipeState } from '../../../src/pkcs11/state-codec.ts';
import { WireWriter } from '../../../src/pkcs11/wire.ts';
import { parseKpHsDescSign } from '../../../src/descriptor/index.ts';
import { ed25519Pair, identity, noise } from '../../descriptor/forge.ts';
import { latin1, utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes } from '../target.ts';

const custody = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'custody',
  name: `custody/${target.name}`,
});

const KP_HS_ID = identity('fuzz state').kpHsId;
const TOKEN_KEY = {
  id: noise('token key', 16),
  kpHsDescSign: parseKpHsDescSign(ed25519Pair('token key').publicKey),
};

const HOST_KEY = Secret.copyOf(noise('fuzz host key', 32));
const STATE_MAGIC = utf8('onion-signer keyholder state 4\n');

function sealedState(): Uint8Array {
  const secret = (label: string): Secret => Secret.copyOf(noise(label, 32));
  const ladder = [{ expiryHours: 496_900, signature: noise('rung', 64) }];
  const period = { periodNum: 20_700, lengthMinutes: 1440, offsetSeconds: 43_200, ladder };
  const state = {
    id: noise('id', 16),
    generation: 5n,
    listSerial: 7,
    listDigest: noise('list', 32),
    refusedPins: [noise('refused', 32)],
    pins: [{ tag: new Uint8Array(32), verdict: 'refused', unanswered: 0 }],
    checkpointSeed: secret('checkpoint'),
    services: [
      {
        kpHsId: KP_HS_ID,
        origin: 'born',
        vouching: noise('vouching', 64),
        opened: { by: 'pkcs11:token=fuzz', at: 1_700_000_000 },
        periods: [
          { ...period, key: { kind: 'seed', seed: secret('seed') }, secret: secret('secret') },
          { ...period, key: { kind: 'token', ...TOKEN_KEY }, secret: secret('other secret') },
        ],
      },
    ],
    spareKeys: [TOKEN_KEY],
    takenPins: [noise('taken', 32)],
  } as const;
  const sealed = sealState(state, HOST_KEY);
  wipeState(state);
  return sealed;
}

/** The open part of {@link sealedState}: fields that the host's key authenticates. */
function openPart(): Uint8Array {
  const out = new WireWriter().bytes(noise('id', 16), 16).u64(5).u64(7).bytes(noise('list', 32), 32);
  out
    .u8(1)
    .bytes(noise('refused', 32), 32)
    .u8(1)
    .bytes(noise('tag', 32), 32)
    .u8(0)
    .u8(1)
    .u16(1)
    .bytes(KP_HS_ID, 32)
    .str8('born')
    .blob32(noise('vouching', 64))
    .str16('pkcs11:token=fuzz')
    .u64(1_700_000_000)
    .u16(1);
  out.u64(20_700).u32(1440).u32(43_200).u16(1).u32(496_900).bytes(noise('rung', 64), 64).u8(0);
  out.u16(1).bytes(TOKEN_KEY.id, 16).bytes(TOKEN_KEY.kpHsDescSign, 32);
  return out.u8(1).bytes(noise('taken', 32), 32).finish();
}

/** A state file around any open part, with three secrets, under the true key. */
function sealAround(part: Uint8Array): Uint8Array {
  return HOST_KEY.use(key => {
    const id = new Uint8Array(8);
    hkdfSha256Into(id, key, new Uint8Array(0), utf8('onion-signer host key id'));
    const seal = (plain: Uint8Array, ad: Uint8Array): Uint8Array => {
      const out = new Uint8Array(24 + plain.length + 16);
      xchachaSeal(out.subarray(24), plain, key, out.subarray(0, 24), ad);
      return out;
    };
    const first = seal(part, STATE_MAGIC);
    const binding = Buffer.concat([STATE_MAGIC, first.subarray(0, 24), first.subarray(-16)]);
    const out = new WireWriter().bytes(STATE_MAGIC, STATE_MAGIC.length).bytes(id, 8);
    return out
      .blob32(first)
      .blob32(seal(noise('secrets', 96), binding))
      .finish();
  });
}

const folder = mkdtempSync(join(tmpdir(), 'fuzz-marks-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const STATE_ID = noise('fuzz marks', 16);
const marks = [
  encodeMark({ kind: 'header', stateId: STATE_ID }),
  encodeMark({ kind: 'generation', generation: 3n }),
  encodeMark({ kind: 'spent', spent: { kpHsBlindId: noise('key', 32), variant: 0, second: 9 }, at: 8 }),
  encodeMark({ kind: 'checkpoint', checkpoint: { size: 4n, root: noise('root', 32) } }),
  encodeMark({ kind: 'floor', second: 5 }),
  encodeMark({ kind: 'proven', second: 6 }),
];

/** Each record with the checksum that belongs to it. */
function withChecksums(log: Uint8Array): Uint8Array {
  const out = Buffer.from(log);
  for (let at = 0; at + RECORD_BYTES <= out.length; at += RECORD_BYTES) {
    hash('sha256', out.subarray(at, at + 56), 'buffer').copy(out, at + 56, 0, 8);
  }
  return out;
}

function openLog(log: Uint8Array): void {
  const path = join(folder, 'marks');
  writeFileSync(path, log, { mode: 0o600 });
  MarkLog.open(path, STATE_ID).close();
}

const states: readonly Target[] = [
  custody({
    name: 'state',
    codes: ['STATE_CORRUPT', 'STATE_SEALED', 'STATE_VERSION'],
    shapes: ['bytes'],
    seeds: () => [sealedState()],
    run: input => wipeState(openState(input, HOST_KEY)),
  }),
  custody({
    name: 'state-open-part',
    codes: ['STATE_CORRUPT'],
    shapes: ['bytes'],
    cost: 3,
    // The second is of before the state named which token took which PIN.
    seeds: () => [openPart(), openPart().subarray(0, -33)],
    run: input => {
      const first = openState(sealAround(input), HOST_KEY);
      const second = openState(sealState(first, HOST_KEY), HOST_KEY);
      const { checkpointSeed: _, ...fields } = first;
      const { checkpointSeed: __, ...again } = second;
      demand(
        JSON.stringify(again, big) === JSON.stringify(fields, big),
        'a state is opened as it was sealed',
      );
      wipeState(first);
      wipeState(second);
    },
  }),
  custody({
    name: 'mark',
    codes: ['STATE_CORRUPT'],
    shapes: ['bytes'],
    seeds: () => marks,
    run: input => {
      const record = withChecksums(
        Buffer.concat([input, Buffer.alloc(RECORD_BYTES)]).subarray(0, RECORD_BYTES),
      );
      demand(isIntact(record), 'a record with its checksum is intact');
      demandBytes(encodeMark(parseMark(record)), record, 'a mark has one encoding');
    },
  }),
  custody({
    name: 'mark-log',
    codes: ['STATE_CORRUPT'],
    shapes: ['bytes'],
    cost: 10,
    seeds: () => [new Uint8Array(Buffer.concat(marks)), marks[0]!],
    run: input => {
      openLog(input);
    },
  }),
  custody({
    name: 'mark-log-checked',
    codes: ['STATE_CORRUPT'],
    shapes: ['bytes'],
    cost: 10,
    seeds: () => [new Uint8Array(Buffer.concat(marks)), marks[0]!],
    run: input => openLog(withChecksums(input)),
  }),
];

/** For JSON: counters as text, byte arrays as Latin-1, secrets as themselves, which is `[secret]`. */
function big(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Uint8Array ? latin1(value) : value;
}

export const PKCS11_STATES: readonly Target[] = states;
