import { expect } from 'vitest';
import { PublisherError, type PublisherErrorCode } from '../../src/publisher/error.ts';

/** Waits for what must fail with a PublisherError of this code. */
export async function expectCode(
  code: PublisherErrorCode,
  work: Promise<unknown> | (() => unknown),
): Promise<void> {
  let thrown: unknown;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(PublisherError);
  expect((thrown as PublisherError).code).toBe(code);
}
