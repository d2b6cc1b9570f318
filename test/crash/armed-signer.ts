import { KeyholderDoor } from '../../src/signer/commands/keyholder-door.ts';
import { Journal } from '../../src/signer/journal/journal.ts';
import { PolicyBook } from '../../src/signer/journal/policy-book.ts';
import { arm } from './armed.ts';

arm(
  [Journal, 'reserve', 'release', 'recovered'],
  [PolicyBook, 'apply'],
  [KeyholderDoor, 'sign', 'checkpoint', 'reload'],
);
await import('../../src/signer/main.ts');
