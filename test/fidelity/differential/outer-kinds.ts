import { concat } from '../../../src/descriptor/bytes.ts';
import { ed25519Pair, identity } from '../../descriptor/forge.ts';
import { beyondOrder, descSigner, editCert08, BAD_POINTS } from './cert-kinds.ts';
import { type Draw, type Kind, type Mutation, flipBits, littleEndian, pick, replace } from './mutant.ts';

/** Bytes of the signature line. */
const SIGNATURE_LINE = 97;

const edit =
  (change: (text: string, draw: Draw) => string) =>
  (draw: Draw): Mutation => ({
    edit: text => change(text, draw),
  });
/** Another value behind a keyword. */
const value = (keyword: string, values: readonly string[]) =>
  edit((text, draw) => replace(text, new RegExp(`(?<=^${keyword} ).*$`, 'mu'), pick(draw, values)));
/** Another form of the value behind a keyword. */
const form = (keyword: string, forms: readonly ((digits: string) => string)[]) =>
  edit((text, draw) => replace(text, new RegExp(`(?<=^${keyword} ).*$`, 'mu'), pick(draw, forms)));
const FORMS = [
  (digits: string) => `0${digits}`,
  (digits: string) => `000${digits}`,
  (digits: string) => `+${digits}`,
];
const WRONG_FORMS = [
  (digits: string) => `-${digits}`,
  (digits: string) => `${digits}x`,
  (digits: string) => `${digits}.0`,
  (digits: string) => `${digits},`,
  (digits: string) => `0x${digits}`,
  () => 'x',
  (digits: string) => `"${digits}"`,
];
/** Changes the signature line, the last of the finished text. */
const lastLine =
  (change: (line: string, draw: Draw) => string) =>
  (draw: Draw): Mutation => ({
    finish: text => `${text.slice(0, -SIGNATURE_LINE)}${change(text.slice(-SIGNATURE_LINE, -1), draw)}\n`,
  });
const size = (bytes: number) =>
  edit(text => {
    let left = bytes - SIGNATURE_LINE - text.length;
    let filling = '';
    for (; left > 0; left -= Math.min(left, 1000))
      filling += `${left < 1020 ? 'x'.repeat(left - 1) : 'x'.repeat(999)}\n`;
    return replace(text, /^revision-counter/mu, `${filling}revision-counter`);
  });

const OUTER: Readonly<Record<string, (draw: Draw, context: Parameters<Kind['mutate']>[1]) => Mutation>> = {
  nothing: () => ({}),
  version: value('hs-descriptor', ['2', '4', '0', '', '33', '4294967299', '3x', 'x']),
  'version in another form': value('hs-descriptor', ['03', '+3', ' 3']),
  'lifetime below 30': edit((text, draw) => replace(text, 'lifetime 180', `lifetime ${draw(30)}`)),
  lifetime: edit((text, draw) => replace(text, 'lifetime 180', `lifetime ${30 + draw(691)}`)),
  'lifetime above 720': value('descriptor-lifetime', ['721', '1000', '43200', '65536', '4294967295']),
  'lifetime beyond 32 bits': value('descriptor-lifetime', [
    '4294967296',
    '4294967476',
    '18446744073709551796',
    '99999999999999999999',
  ]),
  'lifetime in another form': form('descriptor-lifetime', FORMS),
  'lifetime in a wrong form': form('descriptor-lifetime', WRONG_FORMS),
  counter: draw => ({
    forgery: {
      counter: pick(draw, [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]),
    },
  }),
  'counter beyond 64 bits': value('revision-counter', [
    '18446744073709551616',
    '18446744073709551617',
    '99999999999999999999',
    '1'.repeat(40),
  ]),
  'counter in another form': form('revision-counter', FORMS),
  'counter in a wrong form': form('revision-counter', WRONG_FORMS),
  'counter that the layers do not have': edit(text =>
    replace(text, /(?<=^revision-counter )\d+/mu, digits => `${BigInt(digits) + 1n}`),
  ),
  'size 49998': size(49_998),
  'size 49999': size(49_999),
  'size 50000': size(50_000),
  'size 50001': size(50_001),
  'signature line with padding': lastLine(line => `${line}==`),
  'signature line cut': lastLine((line, draw) => line.slice(0, -1 - draw(4))),
  'signature line longer': lastLine((line, draw) => line + 'A'.repeat(1 + draw(4))),
  'signature line with two spaces': lastLine(line => line.replace(' ', '  ')),
  'signature line with a tab': lastLine(line => line.replace(' ', '\t')),
  'signature line with a space at the end': lastLine(line => `${line} `),
  'signature line with CR': lastLine(line => `${line}\r`),
  'signature line with an argument more': lastLine(line => `${line} x`),
  'signature line with another alphabet': lastLine(line => line.replaceAll('+', '-').replaceAll('/', '_')),
  'signature line with set bits behind the end': lastLine(
    line => line.slice(0, -1) + String.fromCharCode(line.charCodeAt(line.length - 1) + 1),
  ),
  'signature line with an object': lastLine(line => `${line}\n-----BEGIN X-----\nAAAA\n-----END X-----`),
  'signature line twice': lastLine(line => `${line}\n${line}`),
  'signature line missing': () => ({ finish: text => text.slice(0, -SIGNATURE_LINE) }),
  'signature line with opt': lastLine(line => `opt ${line}`),
  'text behind the signature': lastLine(
    (line, draw) => `${line}\n${pick(draw, ['unknown 1', '', ' ', '@unknown', 'hs-descriptor 3'])}`,
  ),
  'NUL behind the signature': lastLine(line => `${line}\n\0unknown`),
  'text before the first line': draw => ({
    finish: text => `${pick(draw, ['unknown 1\n', '\n', ' ', '@type x\n', '\0'])}${text}`,
  }),
  'another line of a signature in the middle': edit((text, draw) =>
    replace(
      text,
      /^revision-counter/mu,
      `${pick(draw, ['signature x', 'signature', 'signature-x 1', 'xsignature 1'])}\nrevision-counter`,
    ),
  ),
  'a second document': () => ({ finish: text => text + text }),
  'a line unsigned': () => ({
    finish: text => replace(text, /^revision-counter/mu, 'unknown 1\nrevision-counter'),
  }),
  'random-byte after signing': draw => ({
    finish: text => changeAt(text, draw(text.length - 1), 0x20 + draw(95)),
  }),
};

const SIGNATURES: Readonly<Record<string, (draw: Draw, context: Parameters<Kind['mutate']>[1]) => Mutation>> =
  {
    R: signed((bytes, draw) => flipBits(bytes, draw(32), 1 << draw(8))),
    S: signed((bytes, draw) => flipBits(bytes, 32 + draw(32), 1 << draw(8))),
    'S beyond the order': signed(beyondOrder),
    zeros: signed(() => new Uint8Array(64)),
    'by a stranger': () => ({
      forgery: { signDescriptor: message => ed25519Pair('stranger').sign(message) },
    }),
    'by the blinded key': (_, { label, period }) => ({
      forgery: { signDescriptor: message => identity(label).signBlinded(period, message) },
    }),
    'without its prefix': (_, context) => ({
      forgery: { signDescriptor: message => descSigner(context).sign(message.subarray(35)) },
    }),
    'without the last LF': (_, context) => ({
      forgery: { signDescriptor: message => descSigner(context).sign(message.subarray(0, -1)) },
    }),
    'over the keyword too': (_, context) => ({
      forgery: {
        signDescriptor: message => descSigner(context).sign(concat(message, Buffer.from('signature '))),
      },
    }),
    // R is the identity element and S is 0: it verifies under the identity element, whatever was signed.
    'by a key of small order': (_, { label, period }) => ({
      edit: editCert08(cert => {
        const body = concat(cert.subarray(0, 7), BAD_POINTS[0]!, cert.subarray(39, 76));
        return concat(body, identity(label).signBlinded(period, body));
      }),
      forgery: { signDescriptor: () => concat(littleEndian(1n), littleEndian(0n)) },
    }),
  };

function signed(change: (signature: Uint8Array, draw: Draw) => Uint8Array) {
  return (draw: Draw, context: Parameters<Kind['mutate']>[1]): Mutation => ({
    forgery: { signDescriptor: message => change(descSigner(context).sign(message), draw) },
  });
}

function changeAt(text: string, at: number, code: number): string {
  return text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
}

/** Numbers, sizes, signature line and signature of the outer document. */
export const OUTER_KINDS: readonly Kind[] = [
  ...Object.entries(OUTER).map(
    ([name, mutate]): Kind => ({ name: `outer: ${name}`, level: 'outer', mutate }),
  ),
  ...Object.entries(SIGNATURES).map(
    ([name, mutate]): Kind => ({ name: `signature: ${name}`, level: 'outer', mutate }),
  ),
];
