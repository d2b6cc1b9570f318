import { expect } from 'vitest';
import { CustodyError, type CustodyErrorCode } from '../../src/pkcs11/error.ts';

/** Runs `act`, which must throw a CustodyError with this code, and returns it. */
export function expectCode(code: CustodyErrorCode, act: () => unknown): CustodyError {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CustodyError);
  expect((thrown as CustodyError).code).toBe(code);
  return thrown as CustodyError;
}

/** As `expectCode`, for a promise. */
export async function expectCodeOf(code: CustodyErrorCode, promise: Promise<unknown>): Promise<CustodyError> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CustodyError);
  expect((thrown as CustodyError).code).toBe(code);
  return thrown as CustodyError;
}
