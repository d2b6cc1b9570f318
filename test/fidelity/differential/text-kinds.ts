import { type Draw, type Kind, type Level, pick } from './mutant.ts';

type Edit = (items: string[], draw: Draw) => string[];

/** Keyword line and object, if any, of each item; joined again they are the text. */
export function splitItems(text: string): string[] {
  const items: string[] = [];
  let inside = false;
  for (const line of text.match(/[^\n]*\n|[^\n]+$/gu) ?? []) {
    const begins = line.startsWith('-----BEGIN');
    if (inside || begins) items.push(`${items.pop() ?? ''}${line}`);
    else items.push(line);
    inside = (inside || begins) && !line.startsWith('-----END');
  }
  return items;
}

/** Changes one item. */
const one =
  (change: (item: string, draw: Draw) => string, among: (item: string) => boolean = () => true): Edit =>
  (items, draw) => {
    const at = pick(
      draw,
      [...items.keys()].filter(index => among(items[index] ?? '')),
    );
    return items.map((item, index) => (index === at ? change(item, draw) : item));
  };

/** Puts something before an item or at the end. */
const insert =
  (text: string | ((draw: Draw) => string)): Edit =>
  (items, draw) => {
    const at = draw(items.length + 1);
    return items.toSpliced(at, 0, typeof text === 'string' ? text : text(draw));
  };

/** Changes the keyword line of one item. */
const inLine = (change: (line: string, draw: Draw) => string, among?: (item: string) => boolean): Edit =>
  one((item, draw) => {
    const end = item.indexOf('\n');
    return `${change(item.slice(0, end), draw)}${item.slice(end)}`;
  }, among);

const hasObject = (item: string): boolean => item.includes('\n-----BEGIN');
const hasArgument = (item: string): boolean => /^\S+ \S/u.test(item);
const inObject = (change: (body: string, draw: Draw) => string): Edit =>
  one(
    (item, draw) => item.replace(/(?<=BEGIN [^\n]*\n)[^-]*(?=-----END)/u, body => change(body, draw)),
    hasObject,
  );
const wrapAt = (columns: number): Edit =>
  inObject(body => body.replaceAll('\n', '').replaceAll(new RegExp(`.{1,${columns}}`, 'gu'), '$&\n'));
const inArgument = (change: (argument: string, draw: Draw) => string): Edit =>
  inLine((line, draw) => {
    const words = line.split(' ');
    const at = 1 + draw(words.length - 1);
    return words.map((word, index) => (index === at ? change(word, draw) : word)).join(' ');
  }, hasArgument);
const splice = (text: string, at: number, remove: number, by = ''): string =>
  text.slice(0, at) + by + text.slice(at + remove);
const byteIn = (from: number, count: number) => (draw: Draw) => String.fromCharCode(from + draw(count));
const putIn = (character: (draw: Draw) => string): Edit =>
  inLine((line, draw) => splice(line, draw(line.length + 1), 0, character(draw)));
/** Sets the bits behind the last byte of base64 that are to be zero. */
const trailingBits = (text: string): string =>
  text.replace(/[AQgwEIMUYcgkosw048](?==*\n?$)/u, digit => String.fromCharCode(digit.charCodeAt(0) + 1));

const LINES: Readonly<Record<string, Edit>> = {
  'item twice': (items, draw) => {
    const at = draw(items.length);
    return items.toSpliced(at, 0, items[at] ?? '');
  },
  'item missing': (items, draw) => items.toSpliced(draw(items.length), 1),
  'items swapped': (items, draw) => {
    const at = draw(items.length);
    return items.toSpliced(at, 2, ...items.slice(at, at + 2).reverse());
  },
  'item moved': (items, draw) => {
    const from = draw(items.length);
    return items.toSpliced(from, 1).toSpliced(draw(items.length), 0, items[from] ?? '');
  },
  'unknown line': insert(draw => `unknown-${draw(1000)} a b\n`),
  'unknown object': insert('unknown\n-----BEGIN UNKNOWN-----\nAAAA\n-----END UNKNOWN-----\n'),
  'unknown keyword with a dot': insert('un.known 1\n'),
  annotation: insert('@unknown 1\n'),
  'empty line': insert('\n'),
  'line of spaces': insert('   \n'),
  'very long line': insert(draw => `unknown ${'x'.repeat(pick(draw, [1000, 2000, 4000]))}\n`),
  'prefix opt': one(item => `opt ${item}`),
  'two spaces': inLine(line => line.replace(' ', '  '), hasArgument),
  'tab for a space': inLine(line => line.replace(' ', '\t'), hasArgument),
  'space at the end': inLine(line => `${line} `),
  'tab at the end': inLine(line => `${line}\t`),
  'space at the front': inLine(line => ` ${line}`),
  'keyword in capitals': inLine(line => line.replace(/^\S+/u, word => word.toUpperCase())),
  'argument too many': inLine(line => `${line} x`),
  'argument missing': inLine(line => line.replace(/ \S+$/u, ''), hasArgument),
  'arguments missing': inLine(line => line.replace(/ .*$/u, ''), hasArgument),
  'CR at the end of a line': inLine(line => `${line}\r`),
  'CR in a line': putIn(() => '\r'),
  NUL: putIn(() => '\0'),
  'control character': putIn(draw => pick(draw, ['\x01', '\b', '\v', '\f', '\x1b', '\x1f', '\x7f'])),
  'byte beyond ASCII': putIn(byteIn(0x80, 0x80)),
  'letter of UTF-8': putIn(() => '\xc3\xa4'),
  'byte order mark': items => ['\xef\xbb\xbf', ...items],
  comment: insert('# unknown\n'),
};

const OBJECTS: Readonly<Record<string, Edit>> = {
  'object in one line': wrapAt(100_000),
  'object in short lines': wrapAt(32),
  'object in long lines': wrapAt(76),
  'object with set bits behind the end': inObject(trailingBits),
  'object without padding': inObject(body => body.replace(/=+/u, '')),
  'object with too much padding': inObject(body => body.replace(/=*\n$/u, '====\n')),
  'object with another alphabet': inObject(body =>
    body.replace(/[+/]/u, found => (found === '+' ? '-' : '_')),
  ),
  'object with a space': inObject((body, draw) => splice(body, draw(body.length), 0, ' ')),
  'object with an empty line': inObject((body, draw) => splice(body, draw(2) * body.length, 0, '\n')),
  'object with CR': inObject(body => body.replaceAll('\n', '\r\n')),
  'object cut short': inObject((body, draw) => `${body.trimEnd().slice(0, -4 * (1 + draw(8)))}\n`),
  'object empty': inObject(() => ''),
  'object of another name': one(item => item.replaceAll(/(?<=BEGIN |END )[^-]+/gu, 'UNKNOWN'), hasObject),
  'object of two names': one(item => item.replace(/(?<=END )[^-]+/u, 'UNKNOWN'), hasObject),
  'object without end': one(item => item.replace(/-----END[^]*$/u, ''), hasObject),
  'object twice': one(item => item + item.slice(item.indexOf('\n') + 1), hasObject),
  'object missing': one(item => item.slice(0, item.indexOf('\n') + 1), hasObject),
  'object where none belongs': one(
    item => `${item}-----BEGIN UNKNOWN-----\nAAAA\n-----END UNKNOWN-----\n`,
    item => !hasObject(item),
  ),
};

const ARGUMENTS: Readonly<Record<string, Edit>> = {
  'argument with set bits behind the end': inArgument(trailingBits),
  'argument with other padding': inArgument(word =>
    word.endsWith('=') ? word.replace(/=+$/u, '') : `${word}=`,
  ),
  'argument with another alphabet': inArgument(word =>
    word.replace(/[+/]/u, found => (found === '+' ? '-' : '_')),
  ),
  'argument cut short': inArgument((word, draw) => word.slice(0, draw(word.length))),
  'argument longer': inArgument(word => `${word}AAAA`),
};

const whole =
  (change: (text: string, draw: Draw) => string): Edit =>
  (items, draw) => [change(items.join(''), draw)];

const RANDOM: Readonly<Record<string, Edit>> = {
  'random-byte': whole((text, draw) => splice(text, draw(text.length), 1, byteIn(0, 256)(draw))),
  'random-byte printable': whole((text, draw) => splice(text, draw(text.length), 1, byteIn(0x20, 95)(draw))),
  'random-byte inserted': whole((text, draw) => splice(text, draw(text.length), 0, byteIn(0x20, 95)(draw))),
  'random-byte removed': whole((text, draw) => splice(text, draw(text.length), 1)),
  'random-line removed': whole((text, draw) =>
    text
      .split('\n')
      .toSpliced(draw(text.split('\n').length), 1)
      .join('\n'),
  ),
  'random-line twice': whole((text, draw) => {
    const lines = text.split('\n');
    const at = draw(lines.length);
    return lines.toSpliced(at, 0, lines[at] ?? '').join('\n');
  }),
  'random-line swapped': whole((text, draw) => {
    const lines = text.split('\n');
    const at = draw(lines.length);
    return lines.toSpliced(at, 2, ...lines.slice(at, at + 2).reverse()).join('\n');
  }),
};

/** The classes of mutations that any text can suffer, for one level. The head of the inner layer has no objects. */
export function textKinds(level: Level): Kind[] {
  const groups = level === 'inner' ? [LINES, ARGUMENTS, RANDOM] : [LINES, OBJECTS, ARGUMENTS, RANDOM];
  return groups.flatMap(group =>
    Object.entries(group).map(([name, edit]) => ({
      name: `${level}: ${name}`,
      level,
      mutate: draw => ({ edit: text => edit(splitItems(text), draw).join('') }),
    })),
  );
}
