import { expect, test } from 'vitest';
import { DESCRIPTOR_ERROR_CODES, DescriptorError, inLayer } from '../../src/descriptor/error.ts';

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

test('the layer is added to a refusal, and to nothing else', () => {
  const cause = new DescriptorError('BAD_KEY', 'text', { line: 2 });
  const throwing = (thrown: Error) => () =>
    inLayer('middle', () => {
      throw thrown;
    });
  expect(throwing(cause)).toThrow(
    expect.objectContaining({ code: 'BAD_KEY', line: 2, layer: 'middle', cause }) as Error,
  );
  const other = new RangeError('other');
  expect(throwing(other)).toThrow(other);
  expect(inLayer('inner', () => 1)).toBe(1);
});
