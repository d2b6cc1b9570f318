// Frames between core, keyholder and token process, and the fields in them: one encoding for each message.

import {
  TOR_NETWORK,
  parseEd25519Public,
  parseX25519Public,
  x25519PublicKey,
} from '../../../src/descriptor/index.ts';
import * as administration from '../../../src/pkcs11/administration-messages.ts';
import { CustodyError } from '../../../src/pkcs11/error.ts';
import { type Frame, FrameReader, encodeFrame } from '../../../src/pkcs11/frames.ts';
import * as keyholder from '../../../src/pkcs11/keyholder-messages.ts';
import { encodeStatus, parseStatus } from '../../../src/pkcs11/keyholder-status.ts';
import * as seal from '../../../src/pkcs11/seal-messages.ts';
import {
  encodeFence,
  encodeFloor,
  encodeFreeze,
  parseFence,
  parseFloor,
  parseFreeze,
} from '../../../src/pkcs11/measure-messages.ts';
import * as pins from '../../../src/pkcs11/pin-tags.ts';
import * as token from '../../../src/pkcs11/token-messages.ts';
import { ed25519Pair, identity, noise } from '../../descriptor/forge.ts';
import { CUSTODY_SAMPLE } from './custody-sample.ts';
import { Random } from '../random.ts';
import { type Target, demandBytes, demandEqual, verdictOf } from '../target.ts';

const a = identity('fuzz a').kpHsId;
const b = identity('fuzz b').kpHsId;
const kpHsDescSign = ed25519Pair('fuzz descriptor signing')
  .publicKey as token.OpeningRequest['periods'][number]['kpHsDescSign'];
const access = { modulePath: '/usr/lib/softhsm/libsofthsm2.so', uri: 'pkcs11:token=press', pinSource: 'tty' };
const paper = { kind: 'paper', path: '/paper.key' } as const;
const target = { periodNum: 20_700, variant: 0, second: 1_788_500_000 };
const digest = Buffer.from(noise('digest', 32)).toString('hex');

/** A message: what it says is read, written again and must give the same bytes. */
export function message<T>(
  name: string,
  parse: (payload: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  values: readonly T[],
  codes: readonly string[] = ['FRAME_BAD'],
): Target {
  return {
    name,
    area: 'custody',
    codes,
    shapes: ['bytes'],
    seeds: () => values.map(encode),
    run: input => demandBytes(encode(parse(input)), input, 'a message has one encoding'),
  };
}

/** As a message, but a code of another release is read as TOKEN_PROTOCOL: what is read so stays so. */
function settled<T>(
  name: string,
  parse: (payload: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  values: readonly T[],
): Target {
  const once = (input: Uint8Array): Uint8Array => encode(parse(input));
  return {
    ...message(name, parse, encode, values),
    run: input => demandBytes(once(once(input)), once(input), 'what was read is read again'),
  };
}

const KEYHOLDER: readonly Target[] = [
  message('custody/fence', parseFence, encodeFence, [a, b]),
  message('custody/floor', parseFloor, encodeFloor, [0, 1_800_000_000]),
  message('custody/freeze', parseFreeze, ({ kpHsId, frozen }) => encodeFreeze(kpHsId, frozen), [
    { kpHsId: a, frozen: true },
    { kpHsId: b, frozen: false },
  ]),
  message(
    'keyholder/prove',
    keyholder.parseProve,
    ({ kpHsId, text }) => keyholder.encodeProve(kpHsId, text),
    [{ kpHsId: a, text: noise('text', 100) }],
  ),
  message('keyholder/proven', keyholder.parseProven, keyholder.encodeProven, [
    { digest, backend: b, points: 3 },
  ]),
  message('keyholder/sign', keyholder.parseSign, keyholder.encodeSign, [
    {
      kpHsId: a,
      listSerial: 7,
      points: [0, 1].map(index => ({ evidence: digest, index })),
      targets: [target, { ...target, second: 1 }],
    },
  ]),
  message('keyholder/signed', keyholder.parseSigned, keyholder.encodeSigned, [
    [undefined, noise('cookie', 16)].map(descriptorCookie => ({
      ...target,
      lead: 0,
      revisionCounter: 2n ** 64n - 1n,
      text: noise('signed', 60),
      descriptorCookie,
      settingsSerial: 5,
    })),
  ]),
  message('keyholder/prepared', keyholder.parsePrepared, keyholder.encodePrepared, [
    [
      {
        kpHsId: a,
        certifiedPeriods: 4,
        missingPeriods: 0,
        certifiedUntil: 1_788_500_000,
        origin: 'born',
        errorCode: '',
      },
    ],
  ]),
  message('keyholder/head', keyholder.parseHead, keyholder.encodeHead, [
    { size: 7n, rootHash: noise('root', 32), proof: [noise('proof', 32)] },
  ]),
  message('keyholder/note', keyholder.parseNote, keyholder.encodeNote, ['a\n7\nroot\n\n— a b\n']),
  message('keyholder/refused', keyholder.parseRefused, keyholder.encodeRefused, [
    { rule: 'HORIZON', observed: 'é', limit: '' },
  ]),
  message('keyholder/failed', keyholder.parseFailed, keyholder.encodeFailed, ['LIST_SERIAL']),
  message('keyholder/empty', keyholder.parseEmpty, () => new Uint8Array(), [undefined]),
  message('keyholder/status', parseStatus, encodeStatus, [
    {
      startedAt: 1,
      uid: 1000,
      listSerial: 3,
      listDigest: new Uint8Array(32).fill(9),
      network: 'tor',
      isolation: 'same user',
      periodKeys: 'token',
      ...CUSTODY_SAMPLE,
      isMemoryLocked: true,
      stateProtection: 'file of mode 0400',
      checkpointVkey: 'a+00000000+AQ==',
      checkpointSize: 9n,
      aheadSeconds: 259_200,
      runwaySeconds: 21_600,
      services: [
        {
          alias: 'frontpage',
          kpHsId: a,
          enabled: true,
          latched: false,
          frozen: false,
          origin: 'imported-2026-01-01',
          certifiedUntil: 1_788_500_000,
          lastError: '',
          lastErrorAt: 0,
          opened: { by: 'pkcs11:token=press', at: 5 },
          evidence: 2,
          clients: 17,
          settingsSerial: 3,
          vouching: 'vouched',
          periods: [
            {
              periodNum: 20_700,
              kpHsDescSign,
              from: 1,
              to: 2,
              exposureEnd: 3,
              floor: 7,
              lead: 3,
              inToken: true,
              isUsable: false,
            },
          ],
        },
      ],
    },
  ]),
];

const results: readonly token.OpeningResult[] = [
  { error: new CustodyError('PIN_INCORRECT', undefined, { ckr: 0xa0 }) },
  { error: new CustodyError('ENVELOPE_MAC') },
  {
    sealedServiceSecret: noise('sealed', 80),
    origin: 'born',
    ladders: [{ periodNum: 20_700, rungs: [{ expiryHours: 496_900, signature: noise('rung', 64) }] }],
    vouching: noise('vouching', 64),
  },
];
const bytes = new Uint8Array(noise('envelope', 50));

const PRESS = { uri: 'pkcs11:token=press', label: 'press', manufacturer: 'm', model: '', serial: '1' };
const TOKEN: readonly Target[] = [
  message(
    'token/open-request',
    token.parseOpenRequest,
    token.encodeOpenRequest,
    [
      {
        access,
        profile: { ...TOR_NETWORK, name: 'requested' },
        horizonSeconds: 259_200,
        boxPublicKey: parseX25519Public(x25519PublicKey(noise('box', 32))),
        checkpointKey: parseEd25519Public(a),
        openings: [{ kpHsId: a, envelope: bytes, periods: [{ periodNum: 20_700, kpHsDescSign }] }],
      },
    ],
    ['FRAME_BAD', 'PROFILE_REFUSED'],
  ),
  settled('token/open-answer', token.parseOpenAnswer, token.encodeOpenAnswer, [results, []]),
  message('token/seal-request', seal.parseSealRequest, seal.encodeSealRequest, [
    { tokens: [access, access], ageRecipients: ['age1x'], source: { kind: 'new' } },
    { tokens: [access], ageRecipients: [], source: { kind: 'import', path: '/key' } },
    { tokens: [access], ageRecipients: [], source: { kind: 'backup', file: bytes, key: paper } },
  ]),
  message('token/reseal-request', seal.parseResealRequest, seal.encodeResealRequest, [
    { tokens: [access], added: [access], ageRecipients: ['age1x'], remove: [], envelope: bytes, kpHsId: b },
    { tokens: [access, access], added: [], ageRecipients: [], remove: ['age1x'], envelope: bytes, kpHsId: b },
  ]),
  message('token/verify-request', seal.parseVerifyRequest, seal.encodeVerifyRequest, [
    { envelope: bytes, kpHsId: b, by: { kind: 'token', access } },
    { envelope: bytes, kpHsId: b, by: paper },
    { envelope: bytes, kpHsId: b, by: { kind: 'passphrase', source: 'tty' } },
  ]),
  message('token/copy-request', seal.parseCopyRequest, seal.encodeCopyRequest, [
    { envelope: bytes, kpHsId: b, access, passphraseSource: 'file:/p' },
  ]),
  message('token/seal-answer', seal.parseSealAnswer, seal.encodeSealAnswer, [
    { envelope: bytes, kpHsId: a, origin: 'born' },
  ]),
  message('token/find-request', token.parseFindRequest, token.encodeFindRequest, [access]),
  message('token/pin-begins', pins.parsePinTags, pins.encodePinTags, [
    { token: noise('token', 32), source: noise('source', 32) },
  ]),
  message('token/pins', pins.parsePinJudgement, pins.encodePinJudgement, [
    { key: noise('key of pins', 32), records: [], isOwn: false },
    {
      key: noise('key of pins', 32),
      records: (['none', 'refused', 'taken'] as const).map(verdict => ({
        tag: noise('tag', 32),
        verdict,
        unanswered: 1,
      })),
      isOwn: true,
    },
  ]),
  settled('token/failure', token.parseFailure, token.encodeFailure, [new CustodyError('TOKEN_DEAD')]),
  message('token/list', administration.parseTokenList, administration.encodeTokenList, [
    {
      tokens: [{ ...PRESS, flags: 0x40d, hasRsaOaep: true, hasAesGcm: false }],
      failing: [{ position: 2, description: 'a reader', code: 'TOKEN_DEAD', ckr: 0x30 }],
    },
  ]),
  message(
    'token/prepare-request',
    administration.parsePrepareRequest,
    administration.encodePrepareRequest,
    [
      { access, key: { kind: 'rsa', bits: 2048 }, label: 'key' },
      { access, key: { kind: 'aes' }, label: 'key' },
    ],
    ['FRAME_BAD', 'KEY_LABEL', 'KEY_UNSUITABLE'],
  ),
];

const MAX_FRAME = 4096;

/** Frames until the end of the stream, the input in chunks of these sizes. */
function readFrames(input: Uint8Array, chunk: () => number): Frame[] {
  const reader = new FrameReader(MAX_FRAME);
  const frames: Frame[] = [];
  for (let at = 0; at < input.length; ) {
    const next = at + chunk();
    frames.push(...reader.push(input.subarray(at, next)));
    at = next;
  }
  reader.end();
  return frames;
}

const frames: Target = {
  name: 'custody/frames',
  area: 'custody',
  codes: ['FRAME_BAD', 'FRAME_TOO_LARGE'],
  shapes: ['bytes'],
  seeds: () => {
    const one = encodeFrame({ type: 2, sequence: 7, payload: noise('payload', 40) });
    const empty = encodeFrame({ type: 255, sequence: 0xffff_ffff, payload: new Uint8Array() });
    return [one, empty, new Uint8Array(Buffer.concat([one, empty, one])), new Uint8Array()];
  },
  run: input => {
    const random = new Random(Buffer.from(input).toString('latin1'));
    const whole = verdictOf('custody', () => readFrames(input, () => input.length));
    const split = verdictOf('custody', () => readFrames(input, () => 1 + random.below(9)));
    demandEqual(split, whole, 'it does not matter how the stream is cut');
    const written = readFrames(input, () => input.length).map(frame => encodeFrame(frame, MAX_FRAME));
    demandBytes(new Uint8Array(Buffer.concat(written)), input, 'a frame has one encoding');
  },
};

export const PKCS11_MESSAGES: readonly Target[] = [frames, ...KEYHOLDER, ...TOKEN];
