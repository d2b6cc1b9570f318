// The list, envelopes, and the texts that name tokens, PIN sources and recipients.

import {
  TOR_NETWORK,
  encodeBase64Unpadded,
  parseKpHsId,
  parseKpHscDescEnc,
  x25519PublicKey,
} from '../../../src/descriptor/index.ts';
import { type AgeStanza, encodeAgeFile, parseAgeFile } from '../../../src/pkcs11/age-file.ts';
import { formatAgeRecipient, parseAgeRecipient, parseAgeSecretKey } from '../../../src/pkcs11/bech32.ts';
import { openEnvelope, publicKeyOfPayload, unlockWithToken } from '../../../src/pkcs11/envelope.ts';
import { parseEnvelope, readEnvelopeHeader } from '../../../src/pkcs11/envelope-header.ts';
import { parseHostKeySource } from '../../../src/pkcs11/host-key.ts';
import { type KeyholderList, encodeList, parseList } from '../../../src/pkcs11/list.ts';
import { parsePinSource } from '../../../src/pkcs11/pin.ts';
import { describeRecipient, readRecipient, type Recipient } from '../../../src/pkcs11/recipient.ts';
import { formatPkcs11Uri, parsePkcs11Uri } from '../../../src/pkcs11/uri.ts';
import chain from '../../vectors/own-chain.json' with { type: 'json' };
import { identity, noise } from '../../descriptor/forge.ts';
import { utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes, demandEqual } from '../target.ts';

const custody = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'custody',
  name: `custody/${target.name}`,
});
const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');

const LIST: KeyholderList = {
  serial: 7,
  profile: TOR_NETWORK,
  aheadSeconds: 259_200,
  runwaySeconds: 21_600,
  deadlineMs: 10_000,
  tokens: [{ uri: 'pkcs11:token=press-a', modulePath: '/usr/lib/softhsm/libsofthsm2.so' }],
  pinSource: 'credential:pin',
  retired: [identity('fuzz retired').kpHsId],
  periodKeys: 'token',
  lockedMemory: 'required',
  services: ['frontpage', 'intake'].map(alias => ({
    alias,
    kpHsId: identity(`fuzz ${alias}`).kpHsId,
    envelopePath: `/var/lib/onion-signer/${alias}.age`,
    singleOnion: false,
    enabled: true,
    minPoints: 1,
    maxPoints: 20,
    minBackends: 1,
    maxPointsPerBackend: 20,
    requestsPerHour: 60,
    pointSetsPerHour: 12,
    backends: ['one', 'two'].map(name => ({ name, kpHsId: identity(`fuzz ${alias} ${name}`).kpHsId })),
    clients: [parseKpHscDescEnc(x25519PublicKey(noise(`fuzz client of ${alias}`, 32)))],
    clientsSerial: 3,
    settingsSerial: 5,
    caa: [{ flags: 128, tag: 'issue', value: 'ca.example; account=1' }],
    caaCritical: true,
  })),
};

const FILE_KEY = noise('fuzz file key', 16);
const PAPER = 'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj';
const RECIPIENTS: readonly Recipient[] = [
  { kind: 'X25519', recipient: PAPER },
  {
    kind: 'aes-gcm',
    keyTag: encodeBase64Unpadded(noise('fuzz aes tag', 12)),
    uri: 'pkcs11:token=a;serial=1',
  },
  {
    kind: 'rsa-oaep',
    hash: 'sha1',
    modulus: noise('fuzz modulus', 256).fill(0x81, 0, 1),
    publicExponent: Uint8Array.of(1, 0, 1),
    uri: 'pkcs11:token=press%20a',
  },
];

const words: readonly Target[] = [
  custody({
    name: 'list',
    codes: [
      'LIST_SYNTAX',
      'LIST_BOUNDS',
      'LIST_ORDER',
      'LIST_DUPLICATE',
      'LIST_BACKEND',
      'LIST_CLIENT',
      'URI_SYNTAX',
      'PIN_LITERAL',
      'PIN_SOURCE',
      'MODULE_PATH',
    ],
    shapes: ['bytes'],
    cost: 3,
    seeds: () => [encodeList(LIST), encodeList({ ...LIST, services: [] })],
    run: input => demandBytes(encodeList(parseList(input)), input, 'a list has one encoding'),
  }),
  custody({
    name: 'uri',
    codes: ['URI_SYNTAX', 'PIN_LITERAL', 'PIN_SOURCE', 'MODULE_PATH'],
    shapes: ['tokens', 'bytes'],
    seeds: () =>
      [
        'pkcs11:token=press-a',
        'pkcs11:token=a%20b;object=k;id=%00%ff;type=private?module-name=softhsm2&pin-source=file:/run/pin',
        'pkcs11:serial=1;model=x;manufacturer=y;slot-id=3?module-path=/usr/lib/x.so',
      ].map(utf8),
    run: input => {
      const { pinSource: _, ...uri } = parsePkcs11Uri(text(input));
      const shown = formatPkcs11Uri(uri);
      demand(/^[\x21-\x7e]*$/u.test(shown), 'a URI is shown as plain ASCII');
      demandEqual(parsePkcs11Uri(shown), uri, 'a URI is read as it is shown');
    },
  }),
  custody({
    name: 'pin-source',
    codes: ['PIN_LITERAL', 'PIN_SOURCE'],
    shapes: ['bytes', 'tokens'],
    seeds: () => ['tty', 'file:/run/pin', 'credential:pin'].map(utf8),
    run: input => {
      const source = parsePinSource(text(input));
      const again =
        source.kind === 'tty'
          ? 'tty'
          : source.kind === 'file'
            ? `file:${source.path}`
            : `credential:${source.name}`;
      demand(again === text(input), 'a PIN source is its text');
    },
  }),
  custody({
    name: 'host-key-source',
    codes: ['HOST_KEY'],
    shapes: ['bytes', 'tokens'],
    seeds: () => ['file:/var/lib/key', 'credential:host'].map(utf8),
    run: input => void parseHostKeySource(text(input)),
  }),
  custody({
    name: 'age-recipient',
    codes: ['ENVELOPE_RECIPIENT'],
    shapes: ['bytes', 'lines'],
    seeds: () => [utf8(PAPER)],
    run: input =>
      demand(formatAgeRecipient(parseAgeRecipient(text(input))) === text(input), 'a recipient has one name'),
  }),
  custody({
    name: 'age-secret-key',
    codes: ['PAPER_KEY'],
    shapes: ['bytes', 'lines'],
    // The example of the age specification: 32 times 42 hex.
    seeds: () => [utf8('AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX')],
    run: input => parseAgeSecretKey(input, new Uint8Array(32)),
  }),
  custody({
    name: 'recipient-stanza',
    codes: ['ENVELOPE_SYNTAX', 'ENVELOPE_PAYLOAD'],
    shapes: ['lines', 'bytes'],
    seeds: () => RECIPIENTS.map(each => encodeAgeFile([describeRecipient(each)], FILE_KEY, utf8('x'))),
    run: input => {
      const [stanza] = parseAgeFile(Buffer.from(input)).stanzas;
      if (stanza === undefined) return;
      demandEqual(describeRecipient(readRecipient(stanza)).args, stanza.args, 'a recipient has one stanza');
    },
  }),
];

const KEY_FILE = utf8('== ed25519v1-secret: type0 ==\0\0\0');
const PAYLOAD = new Uint8Array(
  Buffer.concat([KEY_FILE, Buffer.from(chain.expandedSecret, 'hex'), noise('service', 32)]),
);
const KP_HS_ID = parseKpHsId(publicKeyOfPayload(PAYLOAD));
const TAG = encodeBase64Unpadded(noise('fuzz tag', 12));
const STANZAS: readonly AgeStanza[] = [
  {
    type: 'onion-signer-rsa-oaep',
    args: ['sha256', TAG, chain.address, 'born'],
    body: noise('wrapped', 256),
  },
  {
    type: 'onion-signer-aes-gcm',
    args: [encodeBase64Unpadded(noise('fuzz aes tag', 12)), chain.address, 'born'],
    body: noise('sealed', 44),
  },
  describeRecipient({ kind: 'X25519', recipient: PAPER }),
  { type: 'X25519', args: [encodeBase64Unpadded(noise('share', 32))], body: noise('body', 32) },
];
const ENVELOPE_CODES = ['ENVELOPE_SYNTAX', 'ENVELOPE_PAYLOAD', 'ENVELOPE_NO_RECIPIENT'] as const;
const envelopeSeeds = (): Uint8Array[] => [encodeAgeFile(STANZAS, FILE_KEY, PAYLOAD)];

function open(envelope: Uint8Array): void {
  const unlock = unlockWithToken(TAG, (_, out) => {
    out.set(FILE_KEY);
    return FILE_KEY.length;
  });
  openEnvelope(envelope, { kpHsId: KP_HS_ID, unlock }, ({ payload, scalar, prfHalf }) => {
    demandBytes(publicKeyOfPayload(payload), KP_HS_ID, 'what is opened is the service that was asked for');
    demand(scalar.length === 32 && prfHalf.length === 32, 'both halves are there');
  });
}

const envelopes: readonly Target[] = [
  custody({
    name: 'age-file',
    codes: ['ENVELOPE_SYNTAX', 'ENVELOPE_PAYLOAD'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: envelopeSeeds,
    run: input => {
      const { stanzas, header, mac, nonce, chunk } = parseAgeFile(input);
      const written = encodeAgeFile(stanzas, FILE_KEY, utf8('x'));
      demandBytes(parseAgeFile(written).header, header, 'a header is written back');
      const rest = utf8(` ${encodeBase64Unpadded(mac)}\n`);
      demandBytes(
        new Uint8Array(Buffer.concat([header, rest, nonce, chunk])),
        input,
        'the parts are the file',
      );
    },
  }),
  custody({
    name: 'envelope',
    codes: ENVELOPE_CODES,
    shapes: ['lines', 'objects', 'bytes'],
    seeds: envelopeSeeds,
    run: input => {
      const { address, origin } = parseEnvelope(input);
      demandEqual(readEnvelopeHeader(input), { address, origin }, 'both readers say the same');
    },
  }),
  custody({
    name: 'envelope-open',
    codes: [...ENVELOPE_CODES, 'ENVELOPE_MAC', 'IDENTITY_MISMATCH'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: envelopeSeeds,
    run: open,
  }),
  // The payload under a right MAC: what only a holder of the file key could write.
  custody({
    name: 'envelope-payload',
    codes: ['ENVELOPE_PAYLOAD', 'IDENTITY_MISMATCH', 'IDENTITY_FILE'],
    shapes: ['bytes'],
    cost: 3,
    seeds: () => [PAYLOAD],
    run: input => open(encodeAgeFile(STANZAS, FILE_KEY, input.subarray(0, 0x4001))),
  }),
];

export const PKCS11_ENVELOPES: readonly Target[] = [...words, ...envelopes];
