// A core that breaks the promise which the judge is there for: it says that an answer is recorded, and records nothing.

import { Journal } from '../../src/signer/journal/journal.ts';

Reflect.set(Journal.prototype, 'release', function release(this: Journal) {
  return Promise.resolve(this.head());
});
await import('../../src/signer/main.ts');
