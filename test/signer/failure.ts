import { SignerError } from '../../src/signer/contract/problems.ts';

/** The SignerError that `act` throws; anything else fails the test. */
export function failure(act: () => unknown): SignerError {
  try {
    act();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** failure for promises. */
export async function rejection(promise: Promise<unknown>): Promise<SignerError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
