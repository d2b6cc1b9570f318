import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatCommand,
  formatDataCommand,
  parseReplyArguments,
  type Reply,
  ReplyParser,
} from '../../src/publisher/control/grammar.ts';

function parse(text: string, bounds?: { maxLineBytes: number; maxReplyBytes: number }): Reply[] {
  return new ReplyParser(bounds).push(Buffer.from(text, 'latin1'));
}

const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe('Replies', () => {
  it('of one line have a status and a text.', () => {
    expect(parse('250 OK\r\n')).toEqual([{ status: 250, lines: [{ text: 'OK' }] }]);
  });

  it('of several lines end with the line that has a space after its status.', () => {
    expect(parse('250-a=1\r\n250-b=2\r\n250 OK\r\n510 What\r\n')).toEqual([
      { status: 250, lines: [{ text: 'a=1' }, { text: 'b=2' }, { text: 'OK' }] },
      { status: 510, lines: [{ text: 'What' }] },
    ]);
  });

  it('with data have LF line ends and undoubled dots; a line like a status within is data.', () => {
    const [reply] = parse('250+doc=\r\nfirst\r\n..\r\n..dot\r\n250 OK\r\n\r\n.\r\n250 OK\r\n');
    expect(reply?.lines).toEqual([{ text: 'doc=', data: 'first\n.\n.dot\n250 OK\n\n' }, { text: 'OK' }]);
  });

  it('with empty data have empty data.', () => {
    expect(parse('250+doc=\r\n.\r\n250 OK\r\n')[0]?.lines[0]).toEqual({ text: 'doc=', data: '' });
  });

  it('are the same however the stream is cut.', () => {
    const text = '250+doc=\r\n..x\r\n\xff\r\n.\r\n250 OK\r\n650 HS_DESC A\r\n250-a=b\r\n250 OK\r\n';
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), cuts => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length];
        const parser = new ReplyParser();
        const pieces = at.slice(1).map((end, index) => Buffer.from(text.slice(at[index], end), 'latin1'));
        expect(pieces.flatMap(piece => parser.push(piece))).toEqual(parse(text));
      }),
    );
  });

  it.each([
    ['without a status', 'hello\r\n'],
    ['with a status of two digits', '25 OK\r\n'],
    ['with another sign after the status', '250=OK\r\n'],
    ['that end with LF alone', '250 OK\n'],
    ['that change their status on the way', '250-a\r\n251 b\r\n'],
  ])('%s are refused.', (_, text) => {
    expect(() => parse(text)).toThrow(code('CONTROL_SYNTAX'));
  });
});

describe('Bounds', () => {
  const bounds = { maxLineBytes: 10, maxReplyBytes: 40 };

  it('let a line of exactly the bound pass and no longer one.', () => {
    expect(parse(`250 ${'x'.repeat(6)}\r\n`, bounds)).toHaveLength(1);
    expect(() => parse(`250 ${'x'.repeat(7)}\r\n`, bounds)).toThrow(code('CONTROL_TOO_LONG'));
  });

  it('stop a line that never ends, and only when it exceeds the bound.', () => {
    expect(parse('x'.repeat(11), bounds)).toEqual([]);
    expect(() => parse('x'.repeat(12), bounds)).toThrow(code('CONTROL_TOO_LONG'));
  });

  it('give one verdict on a long line without its CR, wherever the stream is cut.', () => {
    const line = `250 ${'x'.repeat(20)}\n`;
    expect(() => parse(line, bounds)).toThrow(code('CONTROL_TOO_LONG'));
    const parser = new ReplyParser(bounds);
    expect(() => {
      for (const character of line) parser.push(Buffer.from(character));
    }).toThrow(code('CONTROL_TOO_LONG'));
    expect(() => parse(`250 ${'x'.repeat(7)}\n`, bounds)).toThrow(code('CONTROL_SYNTAX'));
  });

  it('count a reply as a whole and begin anew with the next.', () => {
    const reply = '250-abcdef\r\n250-abcdef\r\n250-ab\r\n250 OK\r\n';
    expect(reply).toHaveLength(40);
    expect(parse(reply + reply, bounds)).toHaveLength(2);
    expect(() => parse(`250-\r\n${reply}`, bounds)).toThrow(code('CONTROL_TOO_LONG'));
  });
});

describe('Commands', () => {
  it('are one line.', () => {
    expect(formatCommand('GETINFO version').toString()).toBe('GETINFO version\r\n');
  });

  it.each(['A\r\nB', 'A\nB', 'A\0', 'Ä', ''])('refuse %j as a line.', line => {
    expect(() => formatCommand(line)).toThrow(code('CONTROL_ARGUMENT'));
  });

  it('with data double leading dots and use CR LF.', () => {
    expect(formatDataCommand('HSPOST', 'a\n.\n..b\nc.d\n\n').toString()).toBe(
      '+HSPOST\r\na\r\n..\r\n...b\r\nc.d\r\n\r\n.\r\n',
    );
  });

  it.each(['', 'a', 'a\nb', 'a\r\n', 'ä\n', 'a\0\n'])('refuse %j as data.', data => {
    expect(() => formatDataCommand('HSPOST', data)).toThrow(code('CONTROL_ARGUMENT'));
  });

  it('with data come back as they were through the reply grammar.', () => {
    const line = fc.string({ unit: fc.constantFrom('.', 'a', ' ', '2') });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), lines => {
        const data = lines.map(each => `${each}\n`).join('');
        const wire = formatDataCommand('X', data).toString().replace('+X', '250+X');
        expect(parse(`${wire}250 OK\r\n`)[0]?.lines[0]?.data).toBe(data);
      }),
    );
  });
});

describe('Arguments', () => {
  it('are words, keywords and quoted strings with C escapes.', () => {
    const { positional, keywords } = parseReplyArguments(
      'NOTICE A/b+c TAG=done EMPTY= S="a \\"b\\" \\303\\244\\n"',
    );
    expect(positional).toEqual(['NOTICE', 'A/b+c']);
    expect(Object.fromEntries(keywords)).toEqual({ TAG: 'done', EMPTY: '', S: 'a "b" \u00c3\u00a4\n' });
  });

  it.each(['S="open', 'S="a"b', 'A=1 A=2', 'a"b'])('like %j are refused.', text => {
    expect(() => parseReplyArguments(text)).toThrow(code('CONTROL_SYNTAX'));
  });
});
