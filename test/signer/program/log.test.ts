import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { SignerLog } from '../../../src/signer/program/log.ts';

let lines: Record<string, unknown>[];
let log: SignerLog;
const asked = { publisher: 'vps1', request: 'r1' };
beforeEach(() => {
  lines = [];
  log = new SignerLog(
    pino({ base: null, timestamp: false }, { write: line => void lines.push(JSON.parse(line) as never) }),
  );
});

const denied = (observed: string, publisher = 'vps1'): void =>
  log.denied({ publisher, request: 'r1' }, { rule: 'POINT-COUNT', observed, limit: '3..20' });

describe('what can be caused at will', () => {
  it('is a line at first, then one with a count for each flush, and none when it has ended', () => {
    for (let i = 0; i < 1000; i += 1) denied(String(i));
    expect(lines).toMatchObject([{ msg: 'denied', observed: '0' }]);
    expect(lines[0]).not.toHaveProperty('count');
    log.flush();
    expect(lines.slice(1)).toMatchObject([{ msg: 'denied', observed: '999', count: 999 }]);
    log.flush();
    log.flush();
    expect(lines).toHaveLength(2);
    denied('again');
    expect(lines).toHaveLength(3);
  });

  it('is told apart by publisher, route and code', () => {
    denied('1');
    denied('1', 'vps2');
    log.failed(asked, '/a', 'JSON_SYNTAX');
    log.failed(asked, '/b', 'JSON_SYNTAX');
    log.failed(asked, '/b', 'JSON_DEPTH');
    log.signed(asked, 'frontpage', 2, true);
    expect(lines).toHaveLength(6);
    log.signed(asked, 'frontpage', 2, true);
    log.failed(asked, '/b', 'JSON_DEPTH');
    expect(lines).toHaveLength(6);
    // A new answer is bounded by its rate, and each has its line.
    log.signed(asked, 'frontpage', 2, false);
    log.signed(asked, 'frontpage', 2, false);
    expect(lines).toHaveLength(8);
  });
});

it('custody that fails for another reason is told at once', () => {
  for (const code of ['TOKEN_NOT_FOUND', 'TOKEN_NOT_FOUND', 'PIN_INCORRECT', 'PIN_INCORRECT'])
    log.custodyFailed('frontpage', code);
  expect(lines.map(({ code, count }) => [code, count])).toEqual([
    ['TOKEN_NOT_FOUND', undefined],
    ['PIN_INCORRECT', undefined],
  ]);
  log.flush();
  expect(lines.at(-1)).toMatchObject({ msg: 'custody failed', code: 'PIN_INCORRECT', count: 1 });
});

it('a defect is told by its name and places, never by its message', () => {
  const message = 'the value abcdefgh\n    at evil (file:///message:1:1)\nmore of it';
  log.failed(asked, '/v1/descriptors', 'INTERNAL', new TypeError(message));
  expect(lines[0]).toMatchObject({ defect: 'TypeError', stack: expect.stringMatching(/^at /u) as string });
  expect(String(lines[0]?.['stack'])).toContain('log.test.ts');
  expect(JSON.stringify(lines)).not.toMatch(/abcdefgh|evil|more of it/u);
});
