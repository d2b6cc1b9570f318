import { expect } from 'vitest';
import { DescriptorError, type DescriptorErrorCode } from '../../src/descriptor/error.ts';

/** Expects `act` to throw a DescriptorError with this code, and returns it. */
export function expectRefusal(code: DescriptorErrorCode, act: () => unknown): DescriptorError {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(DescriptorError);
  const refusal = thrown as DescriptorError;
  expect(refusal.code).toBe(code);
  return refusal;
}
