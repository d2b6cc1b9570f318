import type { Mutation } from './mutate-bytes.ts';
import type { Random } from './random.ts';

type LineMutation = (lines: string[], random: Random, other: readonly string[]) => void;

/** Words where readers of numbers, names and times turn over. */
const WORDS: readonly string[] = [
  '',
  '0',
  '00',
  '01',
  '-0',
  '-1',
  '+1',
  '1e3',
  '0x10',
  ' ',
  '2',
  '3',
  '29',
  '30',
  '720',
  '721',
  '255',
  '256',
  '65535',
  '65536',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999',
  '1-2',
  '1-',
  '-',
  '=',
  '==',
  'ntor',
  'x25519',
  'v1',
  'v2',
  'ed25519',
  '"',
  '""',
  '"a b"',
  '\\',
  "'",
  '~',
  '$',
  '[',
  ']',
  '{',
  '}',
  ':',
  ',',
  '#',
  '&a',
  '*a',
  '!t',
  '|',
  '>',
  '%',
  '---',
  '...',
  '<<',
  'true',
  'false',
  'null',
  'no',
  '10s',
  '6h',
  '3..20',
  '60/h',
  '2026-02-30T00:00:00',
  '2024-04-11T05:15:37',
  '0000-00-00',
  'UNKNOWN',
  'AAAA',
  'a'.repeat(300),
  '\u00e9',
  '\ufeff',
  '\u2028',
  '\u{1f9c5}',
  '__proto__',
];

/** Characters that do not belong into lines. */
const MARKS: readonly string[] = [
  '\r',
  '\0',
  '\t',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  ' ',
  '  ',
  '\xc2',
  '\xc2\xa0',
  '\xed\xa0\x80',
];

function place(lines: readonly string[], random: Random): number {
  return random.below(lines.length);
}

function editLine(lines: string[], random: Random, edit: (line: string) => string): void {
  const at = place(lines, random);
  const line = lines[at];
  if (line !== undefined) lines[at] = edit(line);
}

function editWords(lines: string[], random: Random, edit: (words: string[]) => void): void {
  editLine(lines, random, line => {
    const words = line.split(' ');
    edit(words);
    return words.join(' ');
  });
}

const LINE_MUTATIONS: readonly LineMutation[] = [
  // Whole lines: twice, missing, exchanged, elsewhere, from another input, empty.
  (lines, random) => lines.splice(place(lines, random), 0, lines[place(lines, random)] ?? ''),
  (lines, random) => lines.splice(place(lines, random), 1),
  (lines, random) => {
    const [a, b] = [place(lines, random), place(lines, random)];
    [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
  },
  (lines, random) =>
    lines.splice(place(lines, random), 0, ...lines.splice(place(lines, random), 1 + random.below(4))),
  (lines, random) => {
    const from = place(lines, random);
    lines.splice(place(lines, random), 0, ...lines.slice(from, from + 1 + random.below(12)));
  },
  (lines, random, other) => {
    const from = place(other, random);
    lines.splice(place(lines, random), random.below(3), ...other.slice(from, from + 1 + random.below(12)));
  },
  (lines, random) =>
    lines.splice(place(lines, random), 0, random.pick(['', ' ', '#', 'x', 'opt x', '-----BEGIN X-----'])),
  (lines, random) => {
    const at = place(lines, random);
    lines.splice(at, 2, `${lines[at] ?? ''}${random.pick(['', ' '])}${lines[at + 1] ?? ''}`);
  },
  // Words of a line.
  (lines, random) => editWords(lines, random, words => words.splice(random.below(words.length), 1)),
  (lines, random) =>
    editWords(lines, random, words => words.splice(random.below(words.length), 1, random.pick(WORDS))),
  (lines, random) =>
    editWords(lines, random, words => words.splice(random.below(words.length + 1), 0, random.pick(WORDS))),
  (lines, random) => editWords(lines, random, words => words.push(words[random.below(words.length)] ?? '')),
  (lines, random, other) => {
    const words = (other[place(other, random)] ?? '').split(' ');
    editWords(lines, random, own => own.splice(random.below(own.length), 1, random.pick(words)));
  },
  // Characters of a line.
  (lines, random) =>
    editLine(lines, random, line => {
      const at = random.oneIn(2) ? line.length : random.below(line.length + 1);
      return line.slice(0, at) + random.pick(MARKS) + line.slice(at);
    }),
  (lines, random) =>
    editLine(lines, random, line => (random.oneIn(2) ? line.toUpperCase() : line.toLowerCase())),
  (lines, random) => editLine(lines, random, line => line.slice(...random.range(line.length))),
  // The end of the text.
  lines => void (lines.at(-1) === '' ? lines.pop() : lines.push('')),
];

/** Line level: keyword lines, their words, line ends. Bytes are Latin-1 characters here. */
export const mutateLines: Mutation = (input, random, other) => {
  const lines = Buffer.from(input).toString('latin1').split('\n');
  random.pick(LINE_MUTATIONS)(lines, random, Buffer.from(other).toString('latin1').split('\n'));
  return Buffer.from(lines.join('\n'), 'latin1');
};

const TOKEN = /"(?:[^"\\\n]|\\.)*"|[{}[\],:\n]| +|[^\s{}[\],:"]+|[^]/gu;

/** Tokens of JSON or YAML to put in the place of others. */
const VALUES: readonly string[] = [
  ...WORDS,
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '"constructor"',
  '1e400',
  '1.0',
  '1.5',
  '-0',
  '9007199254740992',
  '{}',
  '[]',
  '[[]]',
  '{"a":1}',
  '[1,2]',
  '{"a":1,"a":2}',
  '\n',
  '  ',
  ',',
  '\\',
  '"\\x"',
  "''",
  '? ',
  '- ',
  '&x ',
  '*x',
  '!!str ',
  '|\n',
];

/** Token level, for JSON and YAML. */
export const mutateTokens: Mutation = (input, random, other) => {
  const tokens = Buffer.from(input).toString('latin1').match(TOKEN) ?? [];
  const [from, to] = random.range(tokens.length);
  const borrowed = Buffer.from(other).toString('latin1').match(TOKEN) ?? [];
  const start = random.below(borrowed.length);
  const pieces: readonly (() => string[])[] = [
    () => [],
    () => [random.pick(VALUES)],
    () => [...tokens.slice(from, to), ...tokens.slice(from, to)],
    () => borrowed.slice(start, start + 1 + random.below(12)),
    () => [random.pick(VALUES), ...tokens.slice(from, to)],
  ];
  const open = random.pick(['[', '{"a":', '[[', '- ', '"', ' ']);
  const deep = [open.repeat(1 + random.below(random.oneIn(8) ? 20_000 : 20))];
  const piece = random.oneIn(12) ? deep : random.pick(pieces)();
  return Buffer.from([...tokens.slice(0, from), ...piece, ...tokens.slice(to)].join(''), 'latin1');
};
