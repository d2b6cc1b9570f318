import { describe, expect, it } from 'vitest';
import {
  MAX_BODY_BYTES,
  MAX_DESCRIPTOR_CHARS,
  SignAnswerSchema,
  compileValidator,
  parseSignRequest,
} from '../../../src/signer/contract/requests.ts';
import { failure } from '../failure.ts';

const DIGEST = 'ab'.repeat(32);
const point = (index = 0) => ({ evidence: DIGEST, index });
const request = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  id: 'A'.repeat(16),
  service: 'frontpage',
  points: [point()],
  evidence: ['text'],
  ...change,
});
const parse = (value: unknown) => parseSignRequest(new TextEncoder().encode(JSON.stringify(value)));

describe('the sign request', () => {
  it.each([
    ['the least id', { id: 'a_-0'.repeat(4) }],
    ['the longest id', { id: 'z'.repeat(64) }],
    ['a name with digits and hyphens', { service: '0a-b9' }],
    ['the longest name', { service: 'a'.repeat(63) }],
    ['20 points', { points: Array.from({ length: 20 }, (_, i) => point(i)) }],
    ['no evidence, when it was seen before', { evidence: [] }],
    [
      '20 texts of the largest size',
      { evidence: Array.from({ length: 20 }, () => 'x'.repeat(MAX_DESCRIPTOR_CHARS)) },
    ],
    ['a checkpoint', { checkpoint: 'x'.repeat(8192) }],
  ])('may have %s', (_, change) => {
    expect(parse(request(change))).toMatchObject(change);
  });

  it.each([
    ['a shorter id', { id: 'a'.repeat(15) }],
    ['a longer id', { id: 'a'.repeat(65) }],
    ['an id with other characters', { id: `${'a'.repeat(16)}.` }],
    ['an id that ends with a line feed', { id: `${'a'.repeat(16)}\n` }],
    ['an upper-case service', { service: 'Frontpage' }],
    ['a longer name', { service: 'a'.repeat(64) }],
    ['a name that ends with a hyphen', { service: 'a-' }],
    ['a path as service', { service: '../x' }],
    ['no point', { points: [] }],
    ['21 points', { points: Array.from({ length: 21 }, () => point()) }],
    ['an index of 20', { points: [point(20)] }],
    ['a negative index', { points: [point(-1)] }],
    ['a fractional index', { points: [point(0.5)] }],
    ['an index as text', { points: [{ evidence: DIGEST, index: '0' }] }],
    ['an upper-case digest', { points: [{ evidence: DIGEST.toUpperCase(), index: 0 }] }],
    ['a short digest', { points: [{ evidence: DIGEST.slice(2), index: 0 }] }],
    ['an unknown key in a point', { points: [{ ...point(), relay: 'x' }] }],
    ['21 texts', { evidence: Array.from({ length: 21 }, () => 'x') }],
    ['a text that is too long', { evidence: ['x'.repeat(MAX_DESCRIPTOR_CHARS + 1)] }],
    ['an empty text', { evidence: [''] }],
    ['a checkpoint that is too long', { checkpoint: 'x'.repeat(8193) }],
    ['null in place of a checkpoint', { checkpoint: null }],
    ['a period', { period: 1 }],
    ['a time', { now: 1 }],
    ['a key', { kpHsDescSign: 'x' }],
  ])('must not have %s', (_, change) => {
    expect(failure(() => parse(request(change)))).toMatchObject({ code: 'REQUEST_SCHEMA' });
  });

  it.each(['id', 'service', 'points', 'evidence'])('must have %s', key => {
    const { [key]: _, ...rest } = request();
    expect(failure(() => parse(rest))).toMatchObject({ code: 'REQUEST_SCHEMA' });
  });

  it('is measured before it is parsed', () => {
    expect(failure(() => parseSignRequest(new Uint8Array(MAX_BODY_BYTES + 1)))).toMatchObject({
      code: 'BODY_TOO_LARGE',
    });
    expect(failure(() => parseSignRequest(new Uint8Array(MAX_BODY_BYTES)))).toMatchObject({
      code: 'JSON_SYNTAX',
    });
  });

  it('has few values: a body of hundreds of thousands is refused where they become too many', () => {
    const largest = request({
      points: Array.from({ length: 20 }, (_, i) => point(i)),
      evidence: Array.from({ length: 20 }, () => 'x'),
      checkpoint: 'x',
    });
    expect(parse(largest)).toMatchObject({ checkpoint: 'x' });
    for (const each of ['0,', '[],', '{},']) {
      const many = `{"points":[${each.repeat(300_000)}0]}`;
      const error = failure(() => parseSignRequest(Buffer.from(many)));
      expect(error.code).toBe('REQUEST_SCHEMA');
      expect(error.offset).toBeLessThan(1000);
    }
    const keys = Array.from({ length: 80_000 }, (_, i) => `"k${i}":0`).join();
    expect(failure(() => parseSignRequest(Buffer.from(`{${keys}}`))).offset).toBeLessThan(2000);
  });

  it('names the place of a fault and not its value', () => {
    const error = failure(() => parse(request({ points: [point(), { evidence: 'secret', index: 0 }] })));
    expect(error.message).toContain('/points/1/evidence');
    expect(error.message).not.toContain('secret');
  });

  it('is given back as it was: nothing coerced, removed or filled in', () => {
    const value = request();
    const check = compileValidator(SignAnswerSchema);
    expect(failure(() => check(value))).toMatchObject({ code: 'REQUEST_SCHEMA' });
    expect(parse(value)).toEqual(value);
  });
});

describe('the sign answer', () => {
  const check = compileValidator(SignAnswerSchema);
  const answer = {
    id: 'A'.repeat(16),
    service: 'frontpage',
    address: `${'a'.repeat(56)}.onion`,
    settings: 1,
    descriptors: [
      {
        period: { periodNum: 20_000, lengthMinutes: 1440, offsetSeconds: 43_200 },
        variant: 0,
        useFrom: 1_700_000_000,
        revisionCounter: '18446744073709551615',
        text: 'hs-descriptor 3\n',
      },
    ],
    checkpoint: 'note',
  };

  it('fits its schema and nothing more does', () => {
    expect(check(answer)).toBe(answer);
    expect(failure(() => check({ ...answer, certificate: 'x' }))).toMatchObject({ code: 'REQUEST_SCHEMA' });
    expect(failure(() => check({ ...answer, descriptors: [] }))).toMatchObject({ code: 'REQUEST_SCHEMA' });
  });
});
