// A core that breaks the promise which the judge is there for: it says that an answer is recorded, and records nothing.

import { Journal } from '../../src/signer/journal/journal.ts';
import type { Reserved } from '../../src/signer/journal/reservations.ts';

Reflect.set(Journal.prototype, 'release', function release(this: Journal, reserved: Reserved) {
  // Given up, or the same request would wait for it as long as this process lives.
  this.abandon(reserved);
  return Promise.resolve(this.head());
});
await import('../../src/signer/main.ts');
