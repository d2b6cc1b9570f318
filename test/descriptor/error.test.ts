import { expect, test } from 'vitest';
import { DESCRIPTOR_ERROR_CODES, DescriptorError } from '../../src/descriptor/error.ts';

test('an error keeps its code, place and cause', () => {
  const cause = new Error('inner');
  const error = new DescriptorError('BAD_SYNTAX', 'text', { offset: 3, line: 2, cause });
  expect(error).toMatchObject({ name: 'DescriptorError', code: 'BAD_SYNTAX', offset: 3, line: 2, cause });
});

test('an error without details has none', () => {
  const error = new DescriptorError('BAD_HEX', 'text');
  expect([error.offset, error.line, 'cause' in error]).toEqual([undefined, undefined, false]);
});

test('no code stands twice in the list', () => {
  expect(new Set(DESCRIPTOR_ERROR_CODES).size).toBe(DESCRIPTOR_ERROR_CODES.length);
});
