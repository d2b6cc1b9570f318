import { expect } from 'vitest';
import { DescriptorError, type DescriptorErrorCode } from '../../src/descriptor/error.ts';
import { type OpenOptions, type OpenedDescriptor, openDescriptor } from '../../src/descriptor/open.ts';
import { openDescriptorWithNoble } from '../../src/descriptor/second-opinion.ts';
import { TOR_NETWORK, publishablePeriods } from '../../src/descriptor/time.ts';
import { type Forgery, forge } from './forge.ts';

/** Opens with OpenSSL and with @noble, expects one verdict and the same fields, and returns them. */
export function openTwice(text: Uint8Array, options: OpenOptions): OpenedDescriptor | DescriptorErrorCode {
  const [first, second] = [openDescriptor, openDescriptorWithNoble].map(open =>
    verdict(() => open(text, options)),
  );
  expect(second).toEqual(first);
  return first!;
}

function verdict(open: () => OpenedDescriptor): OpenedDescriptor | DescriptorErrorCode {
  try {
    return open();
  } catch (error) {
    if (error instanceof DescriptorError) return error.code;
    throw error;
  }
}

/** Opens a forgery at the second it was made, in the two periods of that second, with both implementations. */
export function openForgery(forgery: Forgery = {}): OpenedDescriptor | DescriptorErrorCode {
  const { text, kpHsId, at } = forge(forgery);
  return openTwice(text, { kpHsId, periods: publishablePeriods(TOR_NETWORK, at), nowSeconds: at });
}

export function expectOpened(opened: OpenedDescriptor | DescriptorErrorCode): OpenedDescriptor {
  if (typeof opened === 'string') throw new Error(`not opened: ${opened}`);
  return opened;
}
