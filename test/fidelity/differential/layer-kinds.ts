import type { Bytes } from '../../../src/descriptor/index.ts';
import { concat, encodeBase64, encodeBase64Unpadded, wrapBase64 } from '../../../src/descriptor/bytes.ts';
import { noise } from '../../descriptor/forge.ts';
import { type Draw, type Kind, type Level, type Mutation, flipBits, pick, replace } from './mutant.ts';

type Change = (text: string, draw: Draw) => string;

const edit =
  (change: Change) =>
  (draw: Draw): Mutation => ({ edit: text => change(text, draw) });
const line = (pattern: RegExp, by: (draw: Draw) => string) =>
  edit((text, draw) => replace(text, pattern, by(draw)));
const blob = (change: (bytes: Bytes, draw: Draw) => Bytes) =>
  edit((text, draw) =>
    replace(text, /(?<=BEGIN MESSAGE-----\n)[^-]+(?=-----END)/u, body =>
      wrapBase64(change(Buffer.from(body, 'base64'), draw)),
    ),
  );
const padding =
  (change: (padded: Bytes, draw: Draw) => Bytes) =>
  (draw: Draw): Mutation => ({
    forgery: { editPadded: padded => change(padded, draw) },
  });

/** No key: zero, one, and the two of order 8; then u = p and u = p + 1, which are zero and one again. */
export const LOW_ORDER: readonly Bytes[] = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(hex => Buffer.from(hex, 'hex'));
/** u = p + 9, which is 9 again. */
export const NOT_CANONICAL: Bytes = Buffer.from(`f6${'ff'.repeat(30)}7f`, 'hex');

const KEY = /(?<=^desc-auth-ephemeral-key )\S+$/mu;
const CLIENTS = /(?:^auth-client .*\n)+/mu;
const client = (id: number, iv: number, cookie: number): string =>
  `auth-client ${[id, iv, cookie].map((length, index) => encodeBase64Unpadded(noise(`field ${index}`, length))).join(' ')}\n`;
/** `count` client lines in place of those that are there. */
const clients = (count: (draw: Draw) => number) =>
  line(CLIENTS, draw => Array.from({ length: count(draw) }, () => client(8, 16, 16)).join(''));

const MIDDLE: Readonly<Record<string, (draw: Draw) => Mutation>> = {
  'type of authorization': line(/(?<=^desc-auth-type ).*$/mu, draw =>
    pick(draw, ['x', 'X25519', 'ed25519', 'basic', 'x25519x']),
  ),
  'two types of authorization': line(/(?<=^desc-auth-type ).*$/mu, draw =>
    pick(draw, ['x25519 x', 'x x25519']),
  ),
  'length of the ephemeral key': line(KEY, draw =>
    encodeBase64(noise('key', pick(draw, [0, 1, 31, 33, 64]))),
  ),
  'ephemeral key of low order': line(KEY, draw => encodeBase64(pick(draw, LOW_ORDER))),
  'ephemeral key that is not canonical': line(KEY, () => encodeBase64(NOT_CANONICAL)),
  'ephemeral key with its highest bit': edit(text =>
    replace(text, KEY, word => encodeBase64(flipBits(Buffer.from(word, 'base64'), 31, 0x80))),
  ),
  'no client line': clients(() => 0),
  'number of client lines': clients(draw => 1 + draw(40)),
  'client line twice': edit(text => replace(text, /^auth-client .*\n/mu, found => found.repeat(2))),
  'length of a client id': line(CLIENTS, draw => client(pick(draw, [0, 7, 9, 16]), 16, 16)),
  'length of a client iv': line(CLIENTS, draw => client(8, pick(draw, [0, 8, 15, 17]), 16)),
  'length of a client cookie': line(CLIENTS, draw => client(8, 16, pick(draw, [0, 15, 17, 32]))),
  'client lines elsewhere': edit(text => {
    const [found = ''] = CLIENTS.exec(text) ?? [];
    return replace(text, found, '').replace(/\n$/u, `\n${found}`);
  }),
  'caa-critical': line(/^encrypted$/mu, () => 'caa-critical\nencrypted'),
  'caa-critical twice': line(/^encrypted$/mu, () => 'caa-critical\ncaa-critical\nencrypted'),
  'caa-critical with an argument': line(/^encrypted$/mu, () => 'caa-critical 1\nencrypted'),
  'MAC of the inner layer': blob((bytes, draw) => flipBits(bytes, -1 - draw(32))),
  'salt of the inner layer': blob((bytes, draw) => flipBits(bytes, draw(16))),
  'inner layer of 48 bytes': blob(bytes => bytes.subarray(0, 48)),
  'inner layer too short': blob((bytes, draw) => bytes.subarray(0, draw(48))),
  'inner layer cut': blob((bytes, draw) => bytes.subarray(0, -1 - draw(100))),
  'inner layer longer': blob((bytes, draw) => concat(bytes, noise('more', 1 + draw(100)))),
  'last LF': edit(text => `${text}\n`),
  'no padding': padding(padded => padded.subarray(0, padded.indexOf(0))),
  'padding to another multiple': padding((padded, draw) =>
    padded.subarray(0, padded.indexOf(0) + 1 + draw(padded.length - padded.indexOf(0))),
  ),
  'longer padding': padding((padded, draw) => concat(padded, new Uint8Array(1 + draw(2000)))),
  'bytes in the padding': padding((padded, draw) => {
    const start = padded.indexOf(0) + 1;
    return flipBits(padded, start + draw(padded.length - start), 1 + draw(255));
  }),
  'text behind the padding': padding(padded => concat(padded.subarray(0, -10), Buffer.from('\nunknown 1'))),
  'empty layer': padding((_, draw) => new Uint8Array(1 + draw(10))),
};

/** Before the first point. */
const add = (text: (draw: Draw) => string) => edit((head, draw) => `${head}${text(draw)}`);
const seed = (length = 32): string => encodeBase64(noise('puzzle', length));
const puzzle = (effort = '1', time = '2100-01-01T00:00:00', length = 32): string =>
  `pow-params v1 ${seed(length)} ${effort} ${time}\n`;
const format = (values: readonly string[]) => line(/(?<=^create2-formats ).*$/mu, draw => pick(draw, values));
const flow = (values: readonly string[]) =>
  edit((head, draw) => `${head.replace(/^flow-control.*\n/mu, '')}flow-control ${pick(draw, values)}\n`);

const INNER: Readonly<Record<string, (draw: Draw) => Mutation>> = {
  'create2-formats with 2': format(['2 3', '3 2', '2 2', '1 2 3 4', '65535 2']),
  'create2-formats without 2': format(['1', '3', '0', '22', '65535', 'x', '2,3', '12']),
  'create2-formats in another form': format(['02', '+2', '2 02', '02 2']),
  'create2-formats with more': format(['2 x', 'x 2', '2 65536', '2 -1', '2 99999999999', '2 3x']),
  'intro-auth-required': add(
    draw => `intro-auth-required ${pick(draw, ['ed25519', 'ed25519 x', 'x ed25519'])}\n`,
  ),
  'intro-auth-required of unknown kind': add(
    draw => `intro-auth-required ${pick(draw, ['x', 'password', 'ED25519', 'ed25519x'])}\n`,
  ),
  'single-onion-service': edit(head => `${head.replace('single-onion-service\n', '')}single-onion-service\n`),
  'single-onion-service with an argument': edit(
    head => `${head.replace('single-onion-service\n', '')}single-onion-service 1\n`,
  ),
  'flow-control of the network': flow(['1-2 31', '2 31', '1,2 31', '1-2 31 x', '1 31']),
  'flow-control by one more or less': flow(['1-2 30', '1-2 32']),
  'flow-control of another network': flow(['1-2 1', '1-2 29', '1-2 33', '1-2 99', '1-2 255']),
  'flow-control out of range': flow(['1-2 0', '1-2 256', '1-2 -1', '1-2 99999999999']),
  'flow-control in another form': flow(['1-2 031', '1-2 +31', '01-2 31']),
  'flow-control of unknown versions': flow(['7 31', '63 31', '7-63 31']),
  'flow-control with impossible versions': flow([
    'x 31',
    '2-1 31',
    '1- 31',
    '-1 31',
    '64 31',
    '1-64 31',
    '1,,2 31',
    '4294967296 31',
  ]),
  'flow-control without sendme_inc': flow(['1-2', '1-2 x', '31']),
  'pow-params v1': add(draw => puzzle(pick(draw, ['0', '1', '10000', '4294967295']))),
  'pow-params v1 expired': add(() => puzzle('1', '2020-01-01T00:00:00')),
  'pow-params v1 twice': add(() => puzzle().repeat(2)),
  'pow-params of another version': add(draw => `pow-params ${pick(draw, ['v2', 'v0', 'x', 'V1'])} a b c\n`),
  'pow-params v2 and v1': add(() => `pow-params v2 x\n${puzzle()}`),
  'pow-params: seed': add(draw => puzzle('1', '2100-01-01T00:00:00', pick(draw, [0, 31, 33]))),
  'pow-params: effort': add(draw => puzzle(pick(draw, ['-1', 'x', '4294967296', '1x']))),
  'pow-params: effort in another form': add(draw => puzzle(pick(draw, ['01', '+1']))),
  'pow-params: time': add(draw =>
    puzzle(
      '1',
      pick(draw, [
        'x',
        '2100-13-01T00:00:00',
        '2100-02-30T00:00:00',
        '2100-01-01',
        '2100-01-01T24:00:00',
        '2100-01-01T00:00:60',
      ]),
    ),
  ),
  'pow-params: time in another form': add(draw =>
    puzzle(
      '1',
      pick(draw, [
        '2100-01-01T00:00:00Z',
        '2100-01-01T00:00:00.000',
        '2100-1-1T00:00:00',
        '2100-01-01t00:00:00',
      ]),
    ),
  ),
  'pow-params: arguments missing': add(
    draw => `pow-params v1${pick(draw, ['', ` ${seed()}`, ` ${seed()} 1`])}\n`,
  ),
  'pow-params: more arguments': add(() => puzzle().replace('\n', ' x y\n')),
  caa: add(
    draw =>
      `caa ${pick(draw, ['0 issue "x.example"', '128 issue ";"', '0 iodef "mailto:a@x.example"', '255 issuewild x.example'])}\n`,
  ),
  'caa out of grammar': add(
    draw =>
      `caa ${pick(draw, ['256 issue "x"', 'x issue "x"', '0 issue', '0', '0 issue "x', '0 is-sue "x"', '01 issue "x"x'])}\n`,
  ),
  'proto of other writers': add(() => 'proto Relay=1-5\n'),
  'head of a point before the points': add(
    draw => `${pick(draw, ['onion-key', 'auth-key', 'enc-key', 'enc-key-cert'])} x\n`,
  ),
};

const inner =
  (change: Change) =>
  (draw: Draw): Mutation => ({ inner: text => change(text, draw) });
const START = /^introduction-point /mu;

const WHOLE: Readonly<Record<string, (draw: Draw) => Mutation>> = {
  'no point': inner(text => text.slice(0, text.search(START))),
  'too many points': inner((text, draw) => {
    const head = text.slice(0, text.search(START));
    const last = text.slice(text.lastIndexOf('\nintroduction-point ') + 1);
    return head + last.repeat(21 + draw(3));
  }),
  '20 points': inner(text => {
    const head = text.slice(0, text.search(START));
    return head + text.slice(text.lastIndexOf('\nintroduction-point ') + 1).repeat(20);
  }),
  'last LF missing': inner(text => text.slice(0, -1)),
  'empty line at the end': inner(text => `${text}\n`),
  'NUL at the end': inner((text, draw) => text + pick(draw, ['\0', '\0\0', '\0x'])),
  'no head': inner(text => text.slice(text.search(START))),
  'a byte alone': inner((_, draw) => String.fromCharCode(draw(256))),
  'CR line ends': inner(text => text.replaceAll('\n', '\r\n')),
};

const of = (level: Level, kinds: Readonly<Record<string, (draw: Draw) => Mutation>>): Kind[] =>
  Object.entries(kinds).map(([name, mutate]) => ({
    name: `${level}: ${name}`,
    level,
    mutate,
    ...(name === 'ephemeral key of low order' ? { unrestricted: true } : {}),
  }));

/** Keys, client lines, padding and encryption of the middle layer; numbers and lines of the inner one's head. */
export const LAYER_KINDS: readonly Kind[] = [...of('middle', MIDDLE), ...of('inner', { ...INNER, ...WHOLE })];
