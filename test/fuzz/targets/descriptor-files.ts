// Addresses and files of src/descriptor: identities, clients, ob_config, consensus.

import { readFileSync } from 'node:fs';
import {
  AUTH_PRIVATE_LENGTH,
  PEM_KEY_LENGTH,
  PKCS8_KEY_LENGTH,
  encodeClientAuthFile,
  encodeHostnameFile,
  encodeObConfig,
  encodePublicKeyFile,
  formatOnionAddress,
  fromHex,
  hsDirCandidates,
  hsDirNodes,
  networkParameters,
  parseClientAuthFile,
  parseClientAuthPrivate,
  parseConsensus,
  parseHostnameFile,
  parseKpHsId,
  parseKpHscDescEnc,
  parseMicrodescriptors,
  parseObConfig,
  parseOnionAddress,
  parsePemKey,
  parsePublicKeyFile,
  parseSecretKeyFile,
  writeClientAuthPrivate,
  writePemKey,
  x25519PublicKey,
} from '../../../src/descriptor/index.ts';
import keyFiles from '../../vectors/arti-tor-service-keys.json' with { type: 'json' };
import pem from '../../vectors/onionbalance-key.json' with { type: 'json' };
import { identity, noise } from '../../descriptor/forge.ts';
import { CURVE_EDGES } from '../mutate-bytes.ts';
import { filesOf, latin1, utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes, verdictOf } from '../target.ts';

const descriptor = (target: Omit<Target, 'area' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  area: 'descriptor',
  name: `descriptor/${target.name}`,
});
const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const data = (name: string): string =>
  readFileSync(new URL(`../../publisher/data/${name}`, import.meta.url), 'latin1');

const identities: readonly Target[] = [
  descriptor({
    name: 'address',
    codes: ['BAD_ADDRESS'],
    shapes: ['bytes', 'lines'],
    seeds: () => ['a', 'b'].map(label => utf8(formatOnionAddress(identity(label).kpHsId))),
    run: input => {
      const address = formatOnionAddress(parseOnionAddress(text(input)));
      demand([address, address.slice(0, 56)].includes(text(input)), 'an address has one spelling');
    },
  }),
  // Any 32 bytes under a right checksum: the key alone decides.
  descriptor({
    name: 'address-key',
    codes: ['BAD_ADDRESS'],
    shapes: ['bytes'],
    seeds: () => [identity('a').kpHsId, ...CURVE_EDGES],
    run: input => {
      const key = new Uint8Array(32);
      key.set(input.subarray(0, 32));
      const address = formatOnionAddress(key as ReturnType<typeof parseKpHsId>);
      const fit = 'taken' in verdictOf('descriptor', () => parseKpHsId(key));
      const read = verdictOf('descriptor', () => parseOnionAddress(address));
      demand('taken' in read === fit, 'an address is taken when its key is');
      demandBytes(parseOnionAddress(address), key, 'an address gives its key back');
    },
  }),
  descriptor({
    name: 'hostname-file',
    codes: ['BAD_KEY_FILE', 'BAD_ADDRESS'],
    shapes: ['bytes', 'lines'],
    seeds: () => [utf8(keyFiles.hostname)],
    run: input => {
      const file = encodeHostnameFile(parseHostnameFile(text(input)));
      demand([file, file.slice(0, -1)].includes(text(input)), 'a hostname file has one spelling');
    },
  }),
  descriptor({
    name: 'public-key-file',
    codes: ['BAD_KEY_FILE', 'BAD_KEY'],
    shapes: ['bytes'],
    seeds: () => [fromHex(keyFiles.publicKeyFile)],
    run: input =>
      demandBytes(encodePublicKeyFile(parsePublicKeyFile(input)), input, 'the file is written back'),
  }),
  descriptor({
    name: 'secret-key-file',
    codes: ['BAD_KEY_FILE'],
    shapes: ['bytes'],
    seeds: () => [fromHex(keyFiles.secretKeyFile)],
    run: input => {
      const { scalar, prfHalf } = parseSecretKeyFile(input);
      demandBytes(Buffer.concat([input.subarray(0, 32), scalar, prfHalf]), input, 'the parts are the file');
      demand(scalar.buffer === input.buffer, 'the parts are views that are wiped with the file');
    },
  }),
];

const clients: readonly Target[] = [
  descriptor({
    name: 'pem-key',
    codes: ['BAD_KEY_FILE', 'KEY_FILE_ENCRYPTED'],
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [utf8(pem.pem)],
    run: input => {
      const der = new Uint8Array(PKCS8_KEY_LENGTH).fill(1);
      const read = verdictOf('descriptor', () => parsePemKey(input, der));
      if ('code' in read) {
        demand(
          read.code === 'KEY_FILE_ENCRYPTED' || der.every(byte => byte === 0),
          'what was refused is wiped',
        );
        parsePemKey(input, der);
        return;
      }
      const file = new Uint8Array(PEM_KEY_LENGTH);
      writePemKey(file, new Uint8Array(read.taken), new Uint8Array(PKCS8_KEY_LENGTH));
      const bare = latin1(input).replaceAll('\r\n', '\n').trimEnd();
      demand(bare === latin1(file).trimEnd(), 'a key has one spelling but for its line ends');
    },
  }),
  descriptor({
    name: 'client-auth-file',
    codes: ['BAD_KEY_FILE', 'BAD_BASE32', 'BAD_KEY'],
    shapes: ['bytes', 'lines'],
    seeds: () => [utf8(encodeClientAuthFile(parseKpHscDescEnc(x25519PublicKey(noise('client', 32)))))],
    run: input => {
      const file = encodeClientAuthFile(parseClientAuthFile(text(input)));
      demand(
        text(input).toLowerCase().trimEnd() === file.trimEnd(),
        'a client has one spelling but for case',
      );
    },
  }),
  descriptor({
    name: 'client-auth-private',
    codes: ['BAD_KEY_FILE', 'BAD_ADDRESS'],
    shapes: ['bytes'],
    seeds: () => {
      const file = new Uint8Array(AUTH_PRIVATE_LENGTH);
      writeClientAuthPrivate(file, identity('a').kpHsId, noise('client', 32));
      return [file];
    },
    run: input => {
      const privateKey = new Uint8Array(32);
      const kpHsId = parseClientAuthPrivate(input, privateKey);
      const file = new Uint8Array(AUTH_PRIVATE_LENGTH);
      writeClientAuthPrivate(file, kpHsId, privateKey);
      const spelling = latin1(input).replace(/\n$/u, '').toLowerCase();
      demand(spelling === latin1(file).trimEnd(), 'a private key has one spelling but for case');
    },
  }),
  descriptor({
    name: 'ob-config',
    codes: ['BAD_KEY_FILE', 'BAD_ADDRESS'],
    shapes: ['lines', 'bytes'],
    seeds: () => [utf8(`# masters\n\n${encodeObConfig(['a', 'b'].map(label => identity(label).kpHsId))}`)],
    run: input => {
      const masters = parseObConfig(text(input));
      const lines = encodeObConfig(masters).trimEnd().split('\n');
      const own = text(input)
        .split('\n')
        .map(line => line.trim().replace(/ +/gu, ' '));
      demand(
        lines.every(line => own.includes(line)),
        'every address stands in the file',
      );
    },
  }),
];

const CONSENSUS = data('consensus-microdesc.txt');
const MICRODESCRIPTORS = data('microdescriptors.txt');

const network: readonly Target[] = [
  descriptor({
    name: 'consensus',
    codes: ['BAD_CONSENSUS'],
    shapes: ['lines', 'lines', 'objects', 'bytes'],
    cost: 6,
    seeds: () => [utf8(CONSENSUS), ...filesOf('corpus', /consensus/u)],
    run: input => {
      const consensus = parseConsensus(latin1(input));
      const nodes = hsDirNodes(consensus, parseMicrodescriptors(MICRODESCRIPTORS));
      demand(nodes.length <= hsDirCandidates(consensus).length, 'no HSDir comes from nowhere');
      for (const isTesting of [false, true]) {
        const whole = Object.values(networkParameters(consensus, isTesting));
        demand(
          whole.every(value => Number.isSafeInteger(value) && value >= 0),
          'parameters are whole',
        );
      }
    },
  }),
  descriptor({
    name: 'microdescriptors',
    codes: [],
    shapes: ['lines', 'objects', 'bytes'],
    cost: 3,
    seeds: () => [utf8(MICRODESCRIPTORS)],
    run: input => {
      const found = parseMicrodescriptors(latin1(input));
      hsDirNodes(parseConsensus(CONSENSUS), found);
      for (const [digest, id] of found) {
        demand(digest.length === 43 && id.length === 32, 'a digest names an identity of 32 bytes');
      }
    },
  }),
];

export const DESCRIPTOR_FILES: readonly Target[] = [...identities, ...clients, ...network];
